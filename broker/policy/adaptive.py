"""Finds out how many calls at a time a service can take, where nobody knows.

A gradient controller: as long as a call takes about as long as on a quiet service, the limit grows a little; when calls
take longer they queue up inside the service, and the limit shrinks in proportion. How long a call takes on a quiet
service is measured now and then at the smallest limit: an average over everything would follow the overload
that it should reveal, and a plain minimum would follow the luckiest call.
"""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AdaptiveSettings:
    """Counts, seconds, and shares of 1."""

    least: int = 2
    """The limit never falls below it."""
    most: int = 100
    """The limit never rises above it."""
    window: float = 1.0
    """Seconds that calls are watched before the limit changes."""
    calls: int = 20
    """Calls that have to be watched before the limit changes."""
    tolerance: float = 0.25
    """How much longer than on the quiet service a call may take."""
    headroom: float = 1.0
    """Calls by which the limit tries to grow in each window."""
    measure_every: float = 60.0
    """Seconds between two measurements of the quiet service."""
    failures: float = 0.1
    """The share of overloaded calls (timeouts, 429, 503) from which on the limit shrinks."""
    back_off: float = 0.7
    """What the limit is multiplied with when that share is reached."""

    def __post_init__(self) -> None:
        if not 1 <= self.least <= self.most or self.calls < 1:
            raise ValueError("an adaptive limit needs 1 <= least <= most, and at least one call to watch")
        if min(self.window, self.measure_every, self.headroom, self.tolerance, self.failures) <= 0:
            raise ValueError("the times and shares of an adaptive limit are more than 0")
        if not 0 < self.back_off < 1:
            raise ValueError("a limit that backs off is multiplied with something between 0 and 1")


class AdaptiveLimit:
    """Told of every call, it tells `set_limit` (such as a bulkhead's) the limit."""

    def __init__(
        self, settings: AdaptiveSettings, set_limit: Callable[[int], None], clock: Callable[[], float]
    ) -> None:
        self.limit = settings.least
        """The limit as it was last told; while the quiet service is measured, the least."""
        self.quiet = 0.0
        """Seconds that a call takes on the quiet service; 0.0 while unknown."""
        self._settings = settings
        self._set_limit = set_limit
        self._clock = clock
        self._estimate = float(settings.least)
        self._measured_at = clock()
        self._measuring = True
        self._since = self._measured_at
        self._count = self._busiest = self._overloaded = 0
        self._sum = 0.0
        set_limit(settings.least)

    def observe(self, seconds: float, active: int, *, overloaded: bool = False) -> None:
        """A call took so long and is over; with it, `active` were under way."""
        now = self._clock()
        if self._measuring and active > self._settings.least:
            # The calls of before are still under way, and slow down what should be measured.
            self._start_window(now)
            return
        if now - seconds < self._since:
            # It began before the limit changed, and tells about the former limit.
            return
        self._count += 1
        # A refusal is quick and a timeout slow: neither says how long the work takes.
        self._sum += 0.0 if overloaded else seconds
        self._busiest = max(self._busiest, active)
        self._overloaded += overloaded
        if self._count >= self._settings.calls and now - self._since >= self._settings.window:
            self._end_window(now)

    def _end_window(self, now: float) -> None:
        mean = self._sum / max(1, self._count - self._overloaded)
        struggling = self._overloaded >= self._settings.failures * self._count
        if self._measuring:
            if not struggling:
                self.quiet, self._measuring, self._measured_at = mean, False, now
        elif now - self._measured_at >= self._settings.measure_every:
            self._measuring = True
        else:
            self._adjust(mean, struggling)
        self._start_window(now)
        self._tell(self._settings.least if self._measuring else int(self._estimate))

    def _adjust(self, mean: float, struggling: bool) -> None:
        settings, limit = self._settings, self._estimate
        if struggling:
            limit *= settings.back_off
        else:
            # At most halved in one window: a few slow calls are no reason to stop.
            gradient = max(0.5, min(1.0, self.quiet * (1.0 + settings.tolerance) / mean)) if mean > 0 else 1.0
            wanted = limit * gradient + settings.headroom
            if wanted > limit and self._busiest < limit / 2:
                # Nobody wanted more: that it went well says nothing about a higher limit.
                return
            limit = wanted
        self._estimate = max(float(settings.least), min(float(settings.most), limit))

    def _start_window(self, now: float) -> None:
        self._since = now
        self._count = self._busiest = self._overloaded = 0
        self._sum = 0.0

    def _tell(self, limit: int) -> None:
        if limit != self.limit:
            self.limit = limit
            self._set_limit(limit)
