"""Whether a failed call may be made again, how many may be, and after what time."""

import random as _random
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Final

from broker.core.deadlines import LONGEST_BACKOFF, RETRY_RESERVE
from broker.policy.window import SlidingCounts

IDEMPOTENT: Final = frozenset({b"GET", b"HEAD", b"OPTIONS", b"TRACE", b"PUT", b"DELETE"})
"""RFC 9110 section 9.2.2: repeated, they are meant to have the effect of one."""


class Reason(Enum):
    """Why a call to an upstream failed."""

    CONNECT = "connect"
    """No connection was had, or no TLS."""
    STALE = "stale_connection"
    """A kept connection turned out to be closed as the request was sent."""
    RESET = "reset"
    """The connection broke off before an answer began."""
    BUSY = "busy"
    """The upstream answered 429 or 503: not now."""
    GATEWAY = "gateway"
    """The upstream answered 502 or 504: something behind it failed."""
    TIMEOUT = "timeout"
    """No answer came in time."""


AFTER_SENDING: Final[dict[Reason, bool]] = {
    Reason.CONNECT: True,
    Reason.STALE: True,
    Reason.RESET: True,
    Reason.BUSY: True,
    Reason.GATEWAY: True,
    # The upstream may be at work on the first still: a second would add to what makes it slow.
    Reason.TIMEOUT: False,
}
"""Whether an idempotent call may be repeated after some of it was sent."""


def may_retry(
    reason: Reason,
    *,
    method: bytes,
    idempotent: bool | None,
    bytes_left: bool,
    response_started: bool,
    body_at_hand: bool,
) -> bool:
    """Whether the call may be made again.

    `idempotent` is what the configuration says of the route, None for what the method says. `bytes_left`: a byte of the
    request was sent. `response_started`: a byte of an answer went to the caller. `body_at_hand`: all of the body could
    be sent once more, or there is none.

    | answer begun | bytes sent | body at hand | idempotent | reason  | again |
    |--------------|------------|--------------|------------|---------|-------|
    | yes          |            |              |            |         | no    |
    | no           | no         |              |            |         | yes   |
    | no           | yes        | no           |            |         | no    |
    | no           | yes        | yes          | no         |         | no    |
    | no           | yes        | yes          | yes        | timeout | no    |
    | no           | yes        | yes          | yes        | others  | yes   |

    RFC 9110 section 9.2.2: "A proxy MUST NOT automatically retry non-idempotent requests", unless by "some means to
    detect that the original request was never applied": that no byte of it was sent is the only one trusted here. A
    429 or 503 is not, since legacy services answer so halfway through their work.
    """
    if response_started:
        return False
    if not bytes_left:
        return True
    if not body_at_hand:
        return False
    if not (method in IDEMPOTENT if idempotent is None else idempotent):
        return False
    return AFTER_SENDING[reason]


class Attempts:
    """All attempts at one call; see `broker.core.exchange.Attempts`."""

    __slots__ = ("_most", "left")

    def __init__(self, most: int) -> None:
        """`most`: attempts in all. The first is under way."""
        self._most = most
        self.left = most - 1

    @property
    def made(self) -> int:
        """Those that were made, the one under way included."""
        return self._most - self.left


class RetryBudget:
    """Retries are a share of the recent calls, so that a failing upstream is not buried under repetitions."""

    __slots__ = ("_clock", "_counts", "_floor", "_share")

    def __init__(self, clock: Callable[[], float], share: float = 0.2, floor: int = 3, window: float = 10.0) -> None:
        """At most `share` times the calls of the last `window` seconds, and `floor` more."""
        if share < 0 or floor < 0:
            raise ValueError("a budget's share and floor are at least 0")
        self._clock = clock
        self._share = share
        self._floor = floor
        self._counts = SlidingCounts(window)

    def reconfigure(self, share: float) -> None:
        """Go by another share; what was counted counts on."""
        self._share = share

    def call(self) -> None:
        """A call was made for the first time."""
        self._counts.add(self._clock(), 1, 0)

    def take(self) -> bool:
        """Whether there may be one more retry; if so, it is counted."""
        now, counts = self._clock(), self._counts
        counts.turn(now)
        if counts.hits + 1 > self._floor + self._share * counts.total:
            return False
        counts.add(now, 0, 1)
        return True


@dataclass(frozen=True, slots=True)
class Backoff:
    """Exponential, with full jitter: retries that failed together do not come back together."""

    base: float = 0.1
    """Seconds, at most, before the first retry; doubled for each that follows."""
    most: float = LONGEST_BACKOFF
    """Seconds beyond which it does not grow."""
    reserve: float = RETRY_RESERVE
    """Seconds that the retry itself needs before the deadline."""
    random: Callable[[], float] = _random.Random().random  # noqa: S311  spreads load, guards nothing

    def delay(self, attempt: int, remaining: float, at_least: float = 0.0) -> float | None:
        """Seconds before the `attempt`th retry (from 1); None where the `remaining` seconds leave no time for it.

        `at_least` is what the upstream asked for with `Retry-After`.
        """
        room = remaining - self.reserve
        if room <= 0 or at_least > room:
            return None
        grown = self.base * 2.0 ** min(max(attempt - 1, 0), 64)
        return min(at_least + self.random() * min(grown, self.most), room)
