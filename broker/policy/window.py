"""Two counts over the last seconds, in steps: all calls, and those that something befell."""

from typing import Final

STEPS: Final = 10


class SlidingCounts:
    """Counts of the last `seconds`; what is older goes in steps of a tenth of that, so the memory is bounded."""

    __slots__ = ("_all", "_hit", "_step", "_width", "hits", "total")

    def __init__(self, seconds: float) -> None:
        if seconds <= 0:
            raise ValueError("a window is longer than 0 seconds")
        self._width = seconds / STEPS
        self._step = 0
        self._all = [0] * STEPS
        self._hit = [0] * STEPS
        self.total = 0
        """All, as of the last `add` or `turn`."""
        self.hits = 0
        """Those that something befell, as of the last `add` or `turn`."""

    def add(self, now: float, total: int, hits: int) -> None:
        """Count at `now`, in seconds of a clock that never goes back."""
        self.turn(now)
        at = self._step % STEPS
        self._all[at] += total
        self._hit[at] += hits
        self.total += total
        self.hits += hits

    def turn(self, now: float) -> None:
        """Forget what is too old at `now`."""
        step = int(now // self._width)
        behind = step - self._step
        if behind <= 0:
            return
        for old in range(self._step + 1, self._step + 1 + min(behind, STEPS)):
            at = old % STEPS
            self.total -= self._all[at]
            self.hits -= self._hit[at]
            self._all[at] = self._hit[at] = 0
        self._step = step

    def clear(self) -> None:
        """Forget everything."""
        self._all = [0] * STEPS
        self._hit = [0] * STEPS
        self.total = self.hits = 0
