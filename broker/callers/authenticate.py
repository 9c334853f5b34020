"""Who calls: the first of a route's callers whose proof holds."""

from collections.abc import Callable, Sequence
from typing import Protocol

from broker.core.errors import BrokerError
from broker.core.exchange import Exchange
from broker.core.heads import RequestHead


class CallerCheck(Protocol):
    """One way to prove who one is."""

    challenge: str
    consumed: frozenset[bytes]

    def admits(self, head: RequestHead) -> bool:
        """Whether the request proves to come from this caller."""


def public(_: Exchange) -> str:
    """Anybody may call."""
    return ""


def any_of(checks: Sequence[tuple[str, CallerCheck]]) -> Callable[[Exchange], str]:
    """An authenticator that takes any of these callers, by configured name."""
    challenges = tuple(("WWW-Authenticate", one) for one in dict.fromkeys(check.challenge for _, check in checks))

    def authenticate(exchange: Exchange) -> str:
        for name, check in checks:
            if check.admits(exchange.head):
                return name
        raise BrokerError("caller_unauthenticated", headers=challenges)

    return authenticate
