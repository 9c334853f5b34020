"""Callers that prove themselves in several ways at once."""

from collections.abc import Sequence
from functools import partial

from broker.callers.verdict import ADMITTED, CallerCheck, Later, Verdict
from broker.core.exchange import Exchange


class AllOfCheck:
    """Every part must hold; the cheap ones are asked first, and the first that does not hold is what counts."""

    def __init__(self, parts: Sequence[CallerCheck]) -> None:
        self._parts = tuple(sorted(parts, key=lambda part: part.cost))
        self.consumed = frozenset[bytes]().union(*(part.consumed for part in parts))
        self.consumed_query = frozenset[bytes]().union(*(part.consumed_query for part in parts))
        self.guarded = frozenset[bytes]().union(*(part.guarded for part in parts))
        self.cost = max(part.cost for part in parts)

    def judge(self, exchange: Exchange) -> Verdict | Later:
        return self._from(exchange, 0)

    def _from(self, exchange: Exchange, start: int) -> Verdict | Later:
        for index in range(start, len(self._parts)):
            verdict = self._parts[index].judge(exchange)
            if not isinstance(verdict, Verdict):
                return partial(self._later, exchange, verdict, index + 1)
            if verdict is not ADMITTED:
                return verdict
        return ADMITTED

    async def _later(self, exchange: Exchange, waiting: Later, following: int) -> Verdict:
        verdict = await waiting()
        if verdict is not ADMITTED:
            return verdict
        rest = self._from(exchange, following)
        return rest if isinstance(rest, Verdict) else await rest()

    def close(self) -> None:
        """The parts are callers of their own, and closed as such."""
