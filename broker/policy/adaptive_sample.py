"""How long calls take, with how sure that is: a mean of few calls that differ much says little."""

from math import inf, sqrt
from typing import Final

_SHARE: Final = 20
"""A limit is wanted higher where one in so many calls ends while no other may begin."""
_MOST_CALLS: Final = 200
"""What was measured before counts as so many calls at most."""
_SURE: Final = 3.0
"""Standard errors; what lies nearer to what was measured before may be chance."""
_NOTABLE: Final = 0.2
"""A quiet service that has changed by a smaller share is the same."""


class Sample:
    """Calls that were watched together."""

    __slots__ = ("_squares", "_sum", "count", "full", "most", "overloaded", "since")

    def __init__(self, since: float) -> None:
        self.since = since
        """A time of the clock, in seconds."""
        self.count = 0
        """Calls that did their work."""
        self.overloaded = 0
        """Calls that were refused or took too long: neither says how long the work takes."""
        self.most = 0
        """Calls under way at a time."""
        self.full = 0
        """Calls at whose end as many were under way as may be."""
        self._sum = 0.0
        self._squares = 0.0

    def add(self, seconds: float, active: int, limit: int, *, overloaded: bool) -> None:
        """A call is over."""
        self.most = max(self.most, active)
        self.full += active >= limit
        if overloaded:
            self.overloaded += 1
            return
        self.count += 1
        self._sum += seconds
        self._squares += seconds * seconds

    @property
    def calls(self) -> int:
        """All of them."""
        return self.count + self.overloaded

    @property
    def mean(self) -> float:
        """Seconds; 0.0 of none."""
        return self._sum / self.count if self.count else 0.0

    @property
    def wanted_more(self) -> bool:
        """Whether the limit kept calls out."""
        return _SHARE * self.full >= self.calls

    @property
    def spread(self) -> float:
        """By how much the calls differ: the standard deviation, in means."""
        mean = self.mean
        return sqrt(max(0.0, self._squares / self.count - mean * mean)) / mean if mean else 0.0

    def error(self, spread: float) -> float:
        """The standard error of the mean, in means, where calls are known to differ by `spread` at least."""
        return max(self.spread, spread) / sqrt(self.count) if self.count else inf


class Quiet:
    """How long a call takes on the quiet service: what was measured several times and did not change, added up."""

    __slots__ = ("_calls", "error", "mean")

    def __init__(self) -> None:
        self.mean = 0.0
        """Seconds; 0.0 while unknown."""
        self.error = 0.0
        """Of the mean, in means."""
        self._calls = 0

    @property
    def highest(self) -> float:
        """Seconds that it may well take."""
        return self.mean * (1.0 + self.error)

    def take(self, mean: float, error: float, calls: int) -> bool:
        """It was measured again; whether it is another than before."""
        if abs(mean - self.mean) > max(_NOTABLE, _SURE * sqrt(error * error + self.error * self.error)) * self.mean:
            self.mean, self.error, self._calls = mean, error, calls
            return True
        both = self._calls + calls
        share = calls / both
        self.mean += share * (mean - self.mean)
        self.error = sqrt((share * error) ** 2 + ((1.0 - share) * self.error) ** 2)
        self._calls = min(both, _MOST_CALLS)
        return False
