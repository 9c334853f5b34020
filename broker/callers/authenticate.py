"""Who calls: the first of a route's callers whose proof holds."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from broker.callers.slowing import Slowing
from broker.callers.verdict import ADMITTED, CallerCheck, Finding, Later, Verdict
from broker.core.errors import BrokerError
from broker.core.exchange import Exchange
from broker.core.heads import RequestHead
from broker.core.query import parameter_values
from broker.core.secret import SecretUnavailable

Named = tuple[str, CallerCheck]
Authenticate = Callable[[Exchange], str | Awaitable[str]]


def public(_: Exchange) -> str:
    """Anybody may call."""
    return ""


def any_of(checks: Sequence[Named], slowing: Slowing | None = None) -> Authenticate:
    """An authenticator that takes any of these callers, by configured name; what needs the body comes last."""
    return _AnyOf(checks, slowing).authenticate


class _AnyOf:
    def __init__(self, checks: Sequence[Named], slowing: Slowing | None) -> None:
        self._ordered = tuple(sorted(checks, key=lambda named: named[1].cost))
        self._slowing = slowing
        # What a trusted proxy says, an address and a certificate are no guesses.
        self._fields = frozenset[bytes]().union(*(check.consumed - check.guarded for _, check in checks))
        self._parameters = frozenset[bytes]().union(*(check.consumed_query for _, check in checks))
        self._guessable = frozenset(
            name for name, check in checks if check.consumed - check.guarded or check.consumed_query
        )

    def authenticate(self, exchange: Exchange) -> str | Awaitable[str]:
        slowing = self._slowing
        if slowing is not None and slowing.suspects(exchange) and self._shows_proof(exchange.head):
            return self._after_a_wait(exchange, slowing)
        return self._judge(exchange)

    def _shows_proof(self, head: RequestHead) -> bool:
        return any(head.values(name) for name in self._fields) or any(
            parameter_values(head.target, name) for name in self._parameters
        )

    async def _after_a_wait(self, exchange: Exchange, slowing: Slowing) -> str:
        await slowing.hold_up(exchange)
        found = self._judge(exchange, waited=True)
        return found if isinstance(found, str) else await found

    def _judge(self, exchange: Exchange, *, waited: bool = False) -> str | Awaitable[str]:
        refused: list[Verdict] = []
        waiting: list[tuple[str, Later]] = []
        for name, check in self._ordered:
            verdict = judged(check, exchange)
            if verdict is ADMITTED:
                return self._admitted(exchange, name)
            if isinstance(verdict, Verdict):
                refused.append(verdict)
            else:
                waiting.append((name, verdict))
        if waiting:
            return self._decide(exchange, waiting, refused, waited=waited)
        seconds = _penalty(exchange, refused, self._slowing)
        if seconds and not waited:
            return _slowed(refusal(refused), seconds)
        raise refusal(refused)

    async def _decide(
        self, exchange: Exchange, waiting: list[tuple[str, Later]], refused: list[Verdict], *, waited: bool
    ) -> str:
        for name, later in waiting:
            verdict = await settled(later)
            if verdict is ADMITTED:
                return self._admitted(exchange, name)
            refused.append(verdict)
        seconds = _penalty(exchange, refused, self._slowing)
        if seconds and not waited:
            await asyncio.sleep(seconds)
        raise refusal(refused)

    def _admitted(self, exchange: Exchange, name: str) -> str:
        if self._slowing is not None and name in self._guessable:
            self._slowing.proved(exchange)
        return name


def judged(check: CallerCheck, exchange: Exchange) -> Verdict | Later:
    """The verdict of a check; a secret that is not there is nobody's fault who calls."""
    try:
        return check.judge(exchange)
    except SecretUnavailable as unavailable:
        return Verdict(Finding.UNKNOWN, error=BrokerError("caller_unverifiable", cause=str(unavailable)))


async def settled(later: Later) -> Verdict:
    """Like `judged`, for a verdict that takes its time."""
    try:
        return await later()
    except SecretUnavailable as unavailable:
        return Verdict(Finding.UNKNOWN, error=BrokerError("caller_unverifiable", cause=str(unavailable)))


async def _slowed(error: BrokerError, seconds: float) -> str:
    await asyncio.sleep(seconds)
    raise error


def _penalty(exchange: Exchange, refused: Sequence[Verdict], slowing: Slowing | None) -> float:
    # Many clients ask without a proof first, to be told which one to send: that is no guess.
    if slowing is None or all(verdict.finding in (Finding.ABSENT, Finding.UNKNOWN) for verdict in refused):
        return 0.0
    return slowing.note(exchange)


def refusal(refused: Sequence[Verdict]) -> BrokerError:
    """What a caller is told whom nothing let in.

    403 to a caller that is known and may not, and where no header could help; 401 names every header that could, as
    it must (RFC 9110 section 15.5.2).
    """
    forbidden = [verdict for verdict in refused if verdict.finding is Finding.FORBIDDEN]
    if forbidden:
        return BrokerError("caller_forbidden", _reason(forbidden), headers=_challenges(forbidden))
    for verdict in refused:
        if verdict.error is not None:
            return verdict.error
    challenges = _challenges(refused)
    return BrokerError(
        "caller_unauthenticated" if challenges else "caller_forbidden", _reason(refused), headers=challenges
    )


def _challenges(refused: Sequence[Verdict]) -> tuple[tuple[str, str], ...]:
    found = dict.fromkeys(challenge for verdict in refused for challenge in verdict.challenges)
    return tuple(("WWW-Authenticate", challenge) for challenge in found)


def _reason(refused: Sequence[Verdict]) -> str:
    """The reasons that are known, those of proofs that were really tried first."""
    tried = [verdict for verdict in refused if verdict.finding is not Finding.ABSENT]
    return " ".join(dict.fromkeys(verdict.reason for verdict in tried or refused if verdict.reason))
