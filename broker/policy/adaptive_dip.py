"""When the quiet service is measured, and how long that may take."""

from typing import Final

from broker.policy.adaptive_sample import Sample
from broker.policy.adaptive_settings import AdaptiveSettings

_RARELY: Final = 20
"""A measurement may take one such part of the time."""
_PATIENCE: Final = 3.0
"""A measurement that takes so many times as long as it should is given up."""
_MOST: Final = 3
"""Times `calls` after which a measurement counts however much its calls differ."""


class Dip:
    """A time in which only the fewest calls are let in."""

    def __init__(self, settings: AdaptiveSettings, now: float) -> None:
        """It begins at once: nothing is known."""
        self._settings = settings
        self._next = now
        self.begin(now, costs=False)

    def begin(self, now: float, *, costs: bool) -> None:
        """`costs`: whether more calls could be made than will be let in."""
        calls = self._settings.calls
        self.under_way = True
        self._costs = costs
        self._begun = now
        self._enough = max(1, calls // 2) if costs else 2 * calls

    def end(self, now: float) -> None:
        """It is over, and the next is put off for so long that they cost little."""
        self.under_way = False
        self._next = now + max(self._settings.measure_every, _RARELY * (now - self._begun))

    def put_off(self, now: float) -> None:
        """It was measured without one."""
        self._next = now + self._settings.measure_every

    def due(self, now: float) -> bool:
        """Whether it is time for another."""
        return now >= self._next

    def enough(self, sample: Sample, error: float) -> bool:
        """Whether what was watched will do; `error` is that of its mean."""
        if sample.calls < self._enough:
            return False
        calls = self._settings.calls
        most = calls if self._costs else _MOST * calls
        if self._enough >= most or error <= self._settings.tolerance / 4:
            return True
        # Asked after each call, it would end with the first few that happen to be alike.
        self._enough = min(2 * self._enough, most)
        return False

    def overdue(self, now: float, quiet: float) -> bool:
        """Whether it keeps calls out for longer than it should, where a call on the quiet service takes `quiet`."""
        settings = self._settings
        expected = quiet * (1 + self._enough / settings.least)
        return self.under_way and self._costs and now - self._begun > max(settings.window, _PATIENCE * expected)
