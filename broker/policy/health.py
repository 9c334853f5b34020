"""Whether a target is fit for calls: by how calls went (passive), and by what checks say (active).

A target that comes back gets its share of calls step by step: caches are cold, and what brought it down may have been
its load.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Final

OnHealth = Callable[[bool, str], None]
"""(whether it is usable now, why in words) for logs."""

_LEAST_SHARE: Final = 0.05
"""Share of its weight with which a target comes back; with none at all it would never be tried."""


@dataclass(frozen=True, slots=True)
class HealthSettings:
    """Counts and seconds."""

    failures: int = 0
    """Failed calls in a row that eject a target; 0: none do."""
    eject_for: float = 30.0
    """Seconds, the first time; as long again for each further time in a row."""
    eject_most: float = 300.0
    """Seconds beyond which that does not grow."""
    slow_start: float = 0.0
    """Seconds in which the weight of a target that came back grows to its whole; 0: at once."""
    rise: int = 2
    """Checks in a row that have to succeed before a target counts as up."""
    fall: int = 3
    """Checks in a row that have to fail before it counts as down."""

    def __post_init__(self) -> None:
        if self.failures < 0 or min(self.rise, self.fall) < 1:
            raise ValueError("rise and fall of a check are at least 1, failures at least 0")
        if min(self.eject_for, self.eject_most) <= 0 or self.slow_start < 0:
            raise ValueError("a target is ejected for more than 0 seconds, and comes back in 0 or more")


class CheckState:
    """What a row of checks makes of a target."""

    __slots__ = ("_fall", "_rise", "_row", "up")

    def __init__(self, rise: int, fall: int, *, up: bool = True) -> None:
        self.up = up
        self._rise = rise
        self._fall = fall
        self._row = 0
        """Checks in a row that contradict `up`."""

    def reconfigure(self, rise: int, fall: int) -> None:
        """Other rows from now on."""
        self._rise, self._fall = rise, fall

    @property
    def missing(self) -> int:
        """Checks in a row that have to succeed until it is up; 0 where it is."""
        return 0 if self.up else self._rise - self._row

    def report(self, ok: bool) -> bool:
        """A check ended; whether that changed `up`."""
        if ok is self.up:
            self._row = 0
            return False
        self._row += 1
        if self._row < (self._rise if ok else self._fall):
            return False
        self.up = ok
        self._row = 0
        return True


class Health:
    """The health of one target; `on_change` is told whether it is usable now, and why not."""

    __slots__ = ("_checks", "_clock", "_ejections", "_on_change", "_row", "_settings", "_until", "_whole_at")

    def __init__(
        self,
        settings: HealthSettings,
        clock: Callable[[], float],
        on_change: OnHealth | None = None,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._on_change = on_change
        self._checks = CheckState(settings.rise, settings.fall)
        self._row = 0
        self._ejections = 0
        self._until = -inf
        """Ejected until then."""
        self._whole_at = -inf
        """When it will have its whole weight again."""

    def reconfigure(self, settings: HealthSettings) -> None:
        """Go by other settings: what is down or ejected stays so, but is not ejected for longer than by these."""
        self._settings = settings
        self._checks.reconfigure(settings.rise, settings.fall)
        now = self._clock()
        if self._whole_at > now:
            longest = self._pause() if settings.failures else 0.0
            self._until = min(self._until, now + longest)
            self._whole_at = self._until + settings.slow_start

    @property
    def up(self) -> bool:
        """What the checks say."""
        return self._checks.up

    @property
    def checks_missing(self) -> int:
        """Checks in a row that have to succeed until they say that it is up; 0 where they do."""
        return self._checks.missing

    def share(self) -> float:
        """The share of its weight: 0.0 when ejected or down, up to 1.0 as it comes back."""
        if not self._checks.up:
            return 0.0
        if self._whole_at == -inf:
            return 1.0
        now = self._clock()
        if now < self._until:
            return 0.0
        missing = self._whole_at - now
        if missing <= 0:
            self._whole_at = -inf
            return 1.0
        return max(_LEAST_SHARE, 1.0 - missing / self._settings.slow_start)

    def left(self) -> float:
        """Seconds until it can be asked again: 0.0 when it can be now, `inf` when only the checks can tell."""
        return max(0.0, self._until - self._clock()) if self._checks.up else inf

    def success(self) -> None:
        """A call succeeded."""
        if self._row or self._ejections:
            self._row = 0
            # A late answer of a call from before says nothing about the time since.
            if self._whole_at == -inf:
                self._ejections = 0

    def failure(self) -> None:
        """A call failed; enough of them in a row eject the target."""
        settings = self._settings
        if not settings.failures:
            return
        now = self._clock()
        if now < self._until:
            return
        self._row += 1
        # One that is coming back has no credit: its first failure ejects it again.
        if self._row >= settings.failures or (self._ejections and now < self._whole_at):
            self._eject(now)

    def ignored(self) -> None:
        """A call says nothing about the target."""

    def checked(self, ok: bool, why: str = "") -> bool:
        """A check ended, `why` says what was wrong; whether that changed what the checks say."""
        if not self._checks.report(ok):
            return False
        if ok:
            self._row = self._ejections = 0
            self._until = now = self._clock()
            self._whole_at = now + self._settings.slow_start if self._settings.slow_start else -inf
        self._tell(ok, "the checks succeeded" if ok else f"the checks failed: {why}" if why else "the checks failed")
        return True

    def _eject(self, now: float) -> None:
        settings = self._settings
        self._ejections += 1
        row, self._row = self._row, 0
        seconds = self._pause()
        self._until = now + seconds
        self._whole_at = self._until + settings.slow_start
        self._tell(False, f"{row} failed calls in a row; ejected for {seconds:g} s")

    def _pause(self) -> float:
        settings = self._settings
        return min(settings.eject_for * self._ejections, max(settings.eject_most, settings.eject_for))

    def _tell(self, usable: bool, why: str) -> None:
        if self._on_change is not None:
            self._on_change(usable, why)
