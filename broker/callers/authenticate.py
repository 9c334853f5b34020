"""Who calls: the first of a route's callers whose proof holds."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from broker.callers.slowing import Slowing
from broker.callers.verdict import ADMITTED, CallerCheck, Finding, Later, Verdict
from broker.core.errors import BrokerError
from broker.core.exchange import Exchange
from broker.core.secret import SecretUnavailable

Named = tuple[str, CallerCheck]
Authenticate = Callable[[Exchange], str | Awaitable[str]]


def public(_: Exchange) -> str:
    """Anybody may call."""
    return ""


def any_of(checks: Sequence[Named], slowing: Slowing | None = None) -> Authenticate:
    """An authenticator that takes any of these callers, by configured name; what needs the body comes last."""
    ordered = tuple(sorted(checks, key=lambda named: named[1].cost))

    def authenticate(exchange: Exchange) -> str | Awaitable[str]:
        refused: list[Verdict] = []
        waiting: list[tuple[str, Later]] = []
        for name, check in ordered:
            verdict = judged(check, exchange)
            if verdict is ADMITTED:
                return name
            if isinstance(verdict, Verdict):
                refused.append(verdict)
            else:
                waiting.append((name, verdict))
        if waiting:
            return _decide(exchange, waiting, refused, slowing)
        seconds = _penalty(exchange, refused, slowing)
        if seconds:
            return _slowed(refusal(refused), seconds)
        raise refusal(refused)

    return authenticate


def judged(check: CallerCheck, exchange: Exchange) -> Verdict | Later:
    """The verdict of a check; a secret that is not there is nobody's fault who calls."""
    try:
        return check.judge(exchange)
    except SecretUnavailable as unavailable:
        return Verdict(Finding.UNKNOWN, error=BrokerError("caller_unverifiable", cause=str(unavailable)))


async def _decide(
    exchange: Exchange, waiting: list[tuple[str, Later]], refused: list[Verdict], slowing: Slowing | None
) -> str:
    for name, later in waiting:
        verdict = await settled(later)
        if verdict is ADMITTED:
            return name
        refused.append(verdict)
    seconds = _penalty(exchange, refused, slowing)
    if seconds:
        await asyncio.sleep(seconds)
    raise refusal(refused)


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
