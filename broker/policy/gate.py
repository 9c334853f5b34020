"""What a call passes before it costs the upstream anything: rates first, then a place among the calls under way."""

from collections.abc import Mapping, Sequence
from typing import Final

from broker.core.exchange import Exchange
from broker.policy.bulkhead import Bulkhead
from broker.policy.fair_queue import Priority
from broker.policy.pause import Pauses
from broker.policy.rate import TokenBucket
from broker.policy.refusal import refusal

RESERVED: Final = {Priority.HIGH: 0.0, Priority.MEDIUM: 0.1, Priority.LOW: 0.25}
"""Share of an upstream's burst that calls of a priority leave to the more important ones."""


class Meter:
    """A bucket, and what its refusal says."""

    __slots__ = ("bucket", "burst", "shared", "words")

    def __init__(self, bucket: TokenBucket, burst: float, words: str, *, shared: bool = False) -> None:
        """`shared`: calls of all priorities take from it, so the less important leave some of it."""
        self.bucket = bucket
        self.burst = burst
        self.words = words
        self.shared = shared

    def take(self, priority: Priority) -> float:
        """0.0, or the seconds after which there would be a token for this priority."""
        kept = min(RESERVED[priority] * self.burst, self.burst - 1.0) if self.shared else 0.0
        if not kept:
            return self.bucket.take()
        wait = self.bucket.take(1.0 + kept)
        if not wait:
            self.bucket.give_back(kept)
        return wait


class Gate:
    """The limits that one route's calls pass."""

    def __init__(
        self,
        meters: Sequence[Meter],
        caller_meters: Mapping[str, Meter],
        bulkheads: Sequence[Bulkhead],
        priority: Priority,
        caller_priorities: Mapping[str, Priority],
        pauses: Pauses,
        upstream: str,
        route: str,
    ) -> None:
        """`bulkheads`: in the order in which they are entered, the narrower first."""
        self._meters = meters
        self._caller_meters = caller_meters
        self._bulkheads = bulkheads
        self._priority = priority
        self._caller_priorities = caller_priorities
        self._pauses = pauses
        self._limited = bool(meters or caller_meters or bulkheads)
        self._upstream = upstream
        self._route = route

    @property
    def open(self) -> bool:
        """Whether every call passes: the route has no limit, and no upstream asked for a pause."""
        return not (self._limited or self._pauses)

    def priority_of(self, caller: str) -> Priority:
        """The caller's own priority counts, then the route's."""
        return self._caller_priorities.get(caller, self._priority)

    async def enter(self, exchange: Exchange) -> None:
        """Pass, after a wait if need be; raises `rate_limited` or `overloaded`, with a `Retry-After` that is true."""
        priority = self.priority_of(exchange.caller)
        self._heed_pause(exchange.caller)
        taken = self._take(exchange.caller, priority)
        try:
            await self._place(exchange, priority)
        except BaseException:
            # What was refused, or left, has cost nothing.
            for meter in taken:
                meter.bucket.give_back()
            raise

    async def _place(self, exchange: Exchange, priority: Priority) -> None:
        waited = False
        for bulkhead in self._bulkheads:
            if not bulkhead.try_enter():
                await bulkhead.enter(priority, exchange.due)
                waited = True
            exchange.held.append(bulkhead)
        if waited:
            self._heed_pause(exchange.caller)

    def _heed_pause(self, caller: str) -> None:
        left = self._pauses.left_for(self._upstream, self._route, caller)
        if left:
            raise refusal("overloaded", left, "The upstream asked to be left alone for a while.")

    def _take(self, caller: str, priority: Priority) -> list[Meter]:
        own = self._caller_meters.get(caller)
        meters = [own, *self._meters] if own is not None else self._meters
        taken: list[Meter] = []
        for meter in meters:
            wait = meter.take(priority)
            if wait:
                # What was refused here has cost nothing elsewhere.
                for each in taken:
                    each.bucket.give_back()
                raise refusal("rate_limited", wait, meter.words)
            taken.append(meter)
        return taken
