"""Remembers the limit that was too much: a service that breaks under one call too many pays for every trial.

It is tried again after a while that doubles each time it is too much again: with one call more, then one more, then
with two and four more, as long as all is well.
"""

from math import inf
from typing import Final

_LONGEST: Final = 8
"""Times the first while."""
_RARELY: Final = 10
"""Times what the recovery took until the next trial, where that is sooner."""
_CAREFUL: Final = 0.5
"""Doubled with each trial, it is how many calls more the next one takes, one at least."""
_BACK: Final = 0.9
"""Where the limit grew by tenths, it was too much perhaps one step before that showed."""


class Ceiling:
    """Bounds a limit that grows."""

    def __init__(self, first: float) -> None:
        """`first`: seconds until a limit that was too much is tried again for the first time."""
        self.value = inf
        """The limit grows up to it."""
        self._first = self._while = first
        self._until = self._failed_at = 0.0
        self._more = _CAREFUL
        self._proven = 0.0
        """What was well before the trial that is under way; 0.0: there is none."""

    def grown(self, limit: float, step: float, now: float, calm: float) -> float:
        """The limit to which it may grow by `step`; what is tried has to be well for `calm` seconds."""
        if limit < self.value:
            return min(limit + step, self.value)
        if now < self._until:
            return limit
        self._proven, self.value = self.value, limit + max(1.0, self._more)
        self._more *= 2.0
        self._until = now + calm
        return self.value

    def failed(self, limit: float, now: float) -> None:
        """The limit was too much."""
        again = 0.0 < self._proven < limit
        self._while = min(2.0 * self._while, _LONGEST * self._first) if again else self._first
        self._failed_at, self._until = now, now + self._while
        self.value = self._proven if again else float(min(int(limit) - 1, int(_BACK * limit)))
        self._more, self._proven = _CAREFUL, 0.0

    def recovered(self, now: float) -> None:
        """All is well again: what was over soon has cost little, and need not wait that long."""
        took = _RARELY * (now - self._failed_at) * self._while / self._first
        self._until = min(self._until, now + took)

    def doubted(self) -> None:
        """The service is another than it was: the next trial need not wait."""
        self._until = 0.0
