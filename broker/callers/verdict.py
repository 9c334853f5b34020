"""What a check says about a request."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from typing import Final, Protocol

from broker.core.errors import BrokerError
from broker.core.exchange import Exchange


class Finding(Enum):
    """How far a proof came."""

    ADMITTED = "the proof holds"
    ABSENT = "nothing was shown"
    WRONG = "what was shown proves nothing"
    FORBIDDEN = "it is known who this is, and they may not"
    UNKNOWN = "nobody can tell at the moment"


@dataclass(frozen=True, slots=True)
class Verdict:
    """A finding, and what the caller is told if nothing else lets it in."""

    finding: Finding
    challenges: tuple[str, ...] = ()
    """For `WWW-Authenticate` (RFC 9110 section 11.6.1); none where no header could prove anything."""
    reason: str = ""
    """For the error's detail; it holds no secret and helps nobody to guess one."""
    error: BrokerError | None = None
    """What to answer when it is UNKNOWN."""


ADMITTED: Final = Verdict(Finding.ADMITTED)

Later = Callable[[], Awaitable[Verdict]]
"""A verdict that needs more than the head: the body, or keys from elsewhere. Called only when nothing else holds."""


class CallerCheck(Protocol):
    """One way to prove who one is."""

    consumed: frozenset[bytes]
    """Lower-case names of the fields that are hop 1's alone."""
    consumed_query: frozenset[bytes]
    """Names of such query parameters."""
    guarded: frozenset[bytes]
    """Fields that only trusted proxies may set: they never go on, not even where proofs do."""
    cost: int
    """When its turn is: 0 needs the head only, 1 may need keys from elsewhere, 2 the body."""

    def judge(self, exchange: Exchange) -> Verdict | Later:
        """Whether the request proves to come from this caller; raises `SecretUnavailable`."""

    def close(self) -> None:
        """The broker stops: give up what goes on in the background."""
