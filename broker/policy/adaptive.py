"""Finds out how many calls at a time a service can take, where nobody knows.

As long as calls take about as long as on the quiet service, the limit grows; when they take longer they queue up inside
the service, and the limit shrinks in proportion. How long a call takes on a quiet service is measured now and then at
the smallest limit: an average over everything would follow the overload that it should reveal, and a plain minimum the
luckiest call.
"""

from collections.abc import Callable
from math import inf, sqrt
from typing import Final

from broker.policy.adaptive_ceiling import Ceiling
from broker.policy.adaptive_dip import Dip
from broker.policy.adaptive_sample import Quiet, Sample
from broker.policy.adaptive_settings import AdaptiveSettings

_WATCHED: Final = 10
"""Times `calls` after which a window counts however much its calls differ."""
_TOO_LONG: Final = 1.1
"""Times what is allowed from which on the limit shrinks: between the two it stays."""
_GENTLY: Final = 0.8
"""The limit shrinks to no less of it when it was well until now; what was begun before may still make it worse."""
_HALF: Final = 0.5
"""The limit shrinks to no less of it ever."""
_BETTER: Final = 0.99
"""Times the mean of a window before: then the service recovers."""
_SURE: Final = 3.0
"""Standard deviations above the share of overloaded calls that is borne: asked after each call, less would soon be met
by chance."""
_CALM: Final = 10
"""Windows without a shrinkage before the quiet service is measured: what the overload has cost it wears off."""


class AdaptiveLimit:
    """Told of every call, it tells `set_limit` (such as a bulkhead's) the limit."""

    def __init__(
        self, settings: AdaptiveSettings, set_limit: Callable[[int], None], clock: Callable[[], float]
    ) -> None:
        self.limit = settings.least
        """The limit as it was last told; while the quiet service is measured, the least."""
        self._settings = settings
        self._set_limit = set_limit
        self._clock = clock
        self._quiet = Quiet()
        self._ceiling = Ceiling(settings.measure_every)
        self._estimate = float(settings.least)
        self._spread = 0.0
        """By how much calls are known to differ."""
        self._reference = 0.0
        """The mean that has to become less, in seconds; 0.0 while all is well, infinite when it has just shrunk."""
        self._pent_up = False
        """Whether calls come at once that a measurement has held up."""
        now = clock()
        self._settled_at = now
        self._shrunk_at = -inf
        self._dip = Dip(settings, now)
        self._sample = Sample(now)
        set_limit(settings.least)

    @property
    def quiet(self) -> float:
        """Seconds that a call takes on the quiet service; 0.0 while unknown."""
        return self._quiet.mean

    @property
    def measuring(self) -> bool:
        """Whether the quiet service is measured now."""
        return self._dip.under_way

    def observe(self, seconds: float, active: int, *, overloaded: bool = False) -> None:
        """A call took so long and is over; with it, `active` were under way."""
        now = self._clock()
        if self.measuring and active > self._settings.least:
            # The calls of before are still under way, and slow down what should be measured.
            self._settle(now)
        elif now - seconds >= (self._shrunk_at if overloaded and not self.measuring else self._settled_at):
            # What began before tells about a limit that is no more.
            self._sample.add(seconds, active, self.limit, overloaded=overloaded)
            if self.measuring:
                self._measure(now)
            elif self._sample.calls >= self._settings.calls:
                self._judge(now)
        self.look()

    def look(self) -> None:
        """A call waits, or one is over: a measurement must not keep calls out for long."""
        if self.measuring:
            now = self._clock()
            if self._dip.overdue(now, self._quiet.mean):
                self._end_measurement(now)

    # The quiet service.

    def _begin_measurement(self, now: float) -> None:
        self._dip.begin(now, costs=self._costs)
        self._settle(now)
        self._tell(self._settings.least)

    def _measure(self, now: float) -> None:
        sample, settings = self._sample, self._settings
        if self._struggles:
            self._estimate = max(float(settings.least), self._estimate * settings.back_off)
            self._settle(now)
        elif self._dip.enough(sample, sample.error(self._spread)):
            self._note_quiet(sample)
            self._end_measurement(now)

    def _end_measurement(self, now: float) -> None:
        self._dip.end(now)
        self._pent_up = self._costs
        self._settle(now)
        self._tell(int(self._estimate))

    def _note_quiet(self, sample: Sample) -> None:
        if self._quiet.take(sample.mean, sample.error(self._spread), sample.count):
            self._ceiling.doubted()

    # The limit.

    def _judge(self, now: float) -> None:
        sample, settings = self._sample, self._settings
        error = sample.error(self._spread)
        if self._struggles:
            self._shrink(now, settings.back_off, settings.back_off)
        elif sample.mean * (1.0 - 2.0 * error) > (self._much_too_long if self._reference else self._too_long):
            self._shrink(now, self._allowed / sample.mean)
        elif (
            now - sample.since >= max(settings.window, 3.0 * sample.mean)
            and sample.calls >= self._estimate
            and (error <= settings.tolerance / 2 or sample.count >= _WATCHED * settings.calls)
        ):
            self._end_window(now, error)

    def _end_window(self, now: float, error: float) -> None:
        sample, settings = self._sample, self._settings
        self._spread += 0.5 * (sample.spread - self._spread)
        if sample.mean * (1.0 - error) > self._too_long:
            self._shrink(now, self._allowed / sample.mean)
            return
        if sample.most <= settings.least:
            # Nobody wanted more than the quiet service is given.
            self._note_quiet(sample)
            self._dip.put_off(now)
        if self._reference:
            self._ceiling.recovered(now)
        self._sample = Sample(now)
        self._reference = 0.0
        pent_up, self._pent_up = self._pent_up, False
        if self._dip.due(now) and now >= self._shrunk_at + _CALM * settings.window:
            self._begin_measurement(now)
        elif sample.mean <= self._allowed and sample.wanted_more and not pent_up:
            step = max(settings.headroom, self._estimate / 10)
            calm = _CALM * max(settings.window, 3.0 * sample.mean)
            self._estimate = min(self._ceiling.grown(self._estimate, step, now, calm), float(settings.most))
            self._tell(int(self._estimate))

    def _shrink(self, now: float, factor: float, least: float = _GENTLY) -> None:
        settings, mean, reference = self._settings, self._sample.mean, self._reference
        if self.limit <= settings.least:
            # It is the quiet service that has become slower.
            self._estimate = float(settings.least)
            self._begin_measurement(now)
            return
        if not reference:
            if self._estimate >= self._ceiling.value or now >= self._shrunk_at + _CALM * settings.window:
                # Otherwise it is what the last overload has cost that shows again.
                self._ceiling.failed(self._estimate, now)
            self._reference = inf
        else:
            self._reference, least = mean or inf, _HALF
            if mean < min(_BETTER * reference, self._much_too_long) and not self._struggles:
                # It recovers, and would not do so faster with less.
                self._sample = Sample(now)
                return
        self._estimate = max(float(settings.least), self._estimate * max(least, factor))
        self._shrunk_at = now
        self._settle(now)
        self._tell(int(self._estimate))

    @property
    def _costs(self) -> bool:
        """Whether more calls could be made than while the quiet service is measured."""
        return self._estimate > self._settings.least

    @property
    def _allowed(self) -> float:
        return self._quiet.highest * (1.0 + self._settings.tolerance) + self._settings.slack

    @property
    def _too_long(self) -> float:
        return self._allowed * _TOO_LONG

    @property
    def _much_too_long(self) -> float:
        return self._allowed * 2.0

    @property
    def _struggles(self) -> bool:
        sample, settings = self._sample, self._settings
        borne = settings.failures * sample.calls
        return sample.calls >= settings.calls and sample.overloaded >= borne + _SURE * sqrt(borne)

    def _settle(self, now: float) -> None:
        self._settled_at = now
        self._sample = Sample(now)

    def _tell(self, limit: int) -> None:
        if limit != self.limit:
            self.limit = limit
            self._set_limit(limit)
