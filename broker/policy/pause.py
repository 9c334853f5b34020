"""An upstream said "not now": nobody asks it again before it said one may.

The pause belongs to what the upstream counts by: itself, one of its targets, or the credential that the calls carry.
"""

import re
from collections.abc import Callable, Hashable
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final

_FOR_ALL: Final = 503
STATUSES: Final = frozenset({429, 503})
"""Answers whose `Retry-After` says when to come back (RFC 6585 section 4, RFC 9110 section 15.6.4)."""

_DELTA: Final = re.compile(rb"[0-9]+")
_DATE: Final = re.compile(
    rb"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)(?:, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT"
    rb"|[a-z]{3,6}, \d\d-\w{3}-\d\d \d\d:\d\d:\d\d GMT"
    rb"| \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4})",
    re.ASCII,
)
"""The three formats of RFC 9110 section 5.6.7."""
_DIGITS: Final = 9


def parse_retry_after(value: bytes, now: float) -> float | None:
    """Seconds from `now` (of the epoch) until the time of a `Retry-After` (RFC 9110 section 10.2.3).

    None where it is neither delta-seconds nor an HTTP-date; 0.0 for a time that has passed.
    """
    value = value.strip(b" \t")
    if _DELTA.fullmatch(value):
        digits = value.lstrip(b"0")
        return float(digits[:_DIGITS] or b"0") if len(digits) <= _DIGITS else 10.0**_DIGITS
    if not _DATE.fullmatch(value):
        return None
    try:
        when = parsedate_to_datetime(value.decode())
        if when.tzinfo is None:
            when = when.replace(tzinfo=UTC)
        return max(0.0, when.timestamp() - now)
    except (ValueError, OverflowError):
        return None


class Pauses:
    """Pauses by key; a key without one costs nothing, and what is over is forgotten."""

    def __init__(
        self,
        clock: Callable[[], float],
        wall: Callable[[], float],
        most: float = 60.0,
        default: float = 0.0,
        keys: int = 1000,
    ) -> None:
        """`clock` is monotonic, `wall` gives seconds of the epoch.

        No pause is longer than `most` seconds; `default` is for an answer that does not say; 0: no pause. At most
        `keys` are paused at a time.
        """
        self._clock = clock
        self._wall = wall
        self._most = most
        self._default = default
        self._keys = keys
        self.until: dict[Hashable, float] = {}
        """When each pause ends; where this is empty, nobody has to ask for more."""

    def __len__(self) -> int:
        return len(self.until)

    def note(self, key: Hashable, status: int, retry_after: bytes | None) -> float:
        """An answer came; the seconds of the pause that it asked for, 0.0 for none."""
        if status not in STATUSES:
            return 0.0
        seconds = parse_retry_after(retry_after, self._wall()) if retry_after is not None else None
        return self.set(key, self._default if seconds is None else seconds)

    def set(self, key: Hashable, seconds: float) -> float:
        """Pause; a longer pause that is under way stays. The seconds that are left of it."""
        now = self._clock()
        until = now + min(seconds, self._most)
        if until <= now:
            return self.left(key)
        if key not in self.until and len(self.until) >= self._keys:
            self._forget(now)
        until = self.until[key] = max(until, self.until.get(key, until))
        return until - now

    def left(self, key: Hashable) -> float:
        """Seconds until the pause ends; 0.0 where there is none."""
        if not self.until:
            return 0.0
        until = self.until.get(key)
        if until is None:
            return 0.0
        left = until - self._clock()
        if left > 0:
            return left
        del self.until[key]
        return 0.0

    def left_for(self, upstream: str, route: str, caller: str) -> float:
        """Seconds for which an upstream wants no such call: all are meant by a 503, those counted as one by a 429."""
        if not self.until:
            return 0.0
        return max(self.left((upstream,)), self.left((upstream, route, caller)))

    def note_from(self, upstream: str, route: str, caller: str, status: int, retry_after: bytes) -> None:
        """An upstream answered such a call with one of `STATUSES`; see `left_for`."""
        self.note((upstream,) if status == _FOR_ALL else (upstream, route, caller), status, retry_after)

    def _forget(self, now: float) -> None:
        """Make room: what is over goes, else what is over soonest."""
        self.until = {key: until for key, until in self.until.items() if until > now}
        while len(self.until) >= self._keys:
            del self.until[min(self.until, key=self.until.__getitem__)]


class TargetPauses:
    """The pauses that targets of one upstream ask for: each for itself, and the others go on."""

    def __init__(self, pauses: Pauses, upstream: str) -> None:
        self._pauses = pauses
        self._upstream = upstream

    @property
    def any(self) -> bool:
        """Whether anybody at all may be pausing."""
        return len(self._pauses) > 0

    def note(self, target: str, retry_after: bytes) -> None:
        """The target answered 503 with this `Retry-After`."""
        self._pauses.note((self._upstream, target), _FOR_ALL, retry_after)

    def left(self, target: str) -> float:
        """Seconds until its pause ends; 0.0 where there is none."""
        return self._pauses.left((self._upstream, target))
