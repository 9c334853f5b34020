"""How fast a full service gets through its work: the time between two calls that it completes."""

from collections.abc import Callable
from typing import Final

_SHARE: Final = 0.125
"""Weight of the newest interval in the mean."""
_UNKNOWN: Final = 1.0
"""Seconds that a call takes, before anything was completed."""


class ServiceRate:
    """Looks only while the service is full: what it could do cannot be seen while it waits for work."""

    __slots__ = ("_clock", "_interval", "_since")

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._interval = 0.0
        """Mean seconds between two completed calls; 0.0 while unknown."""
        self._since = 0.0
        """When it became full, or completed a call as it was full."""

    def full(self) -> None:
        """The last free place was taken."""
        self._since = self._clock()

    def completed(self, places: int) -> None:
        """A call was completed as the service was full."""
        now = self._clock()
        took, self._since = now - self._since, now
        if self._interval:
            # Calls that began together end together: the mean has to span a whole round of them.
            self._interval += min(_SHARE, 0.5 / places) * (took - self._interval)
        else:
            self._interval = took / places

    def seconds_for(self, calls: int, places: int) -> float:
        """How long a full service will take for `calls` from now."""
        # A service that hangs completes nothing: the interval under way tells, before it has ended.
        under_way = (self._clock() - self._since) / places
        return calls * max(self._interval or _UNKNOWN / places, under_way)
