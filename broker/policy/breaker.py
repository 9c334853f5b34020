"""Leaves an upstream alone that keeps failing, and finds out with a few calls when it is back.

Closed, it only counts. Open, it refuses without asking. Half-open, it lets a few probes through: all of them have to
succeed, one failure opens it again. Whatever was admitted before a change of state has no say after it.
"""

import random as _random
from collections.abc import Callable
from types import TracebackType

from broker.core.errors import BrokerError, Source
from broker.policy.breaker_settings import BreakerSettings, State
from broker.policy.window import SlidingCounts

_JITTER = _random.Random()  # noqa: S311  spreads load, guards nothing

OnChange = Callable[[State, State, str], None]
"""(old state, new state, why in words) for logs."""


class Permit:
    """The right to make one call; of several outcomes reported, the first counts.

    As a context manager it reports what was not reported: success, failure for an `Exception`, and `ignored` for a
    cancelled call and for a `BrokerError` that is not the upstream's doing.
    """

    __slots__ = ("_breaker", "_era")

    def __init__(self, breaker: "CircuitBreaker", era: int) -> None:
        self._breaker: CircuitBreaker | None = breaker
        self._era = era

    def success(self) -> None:
        """The upstream did its work; an answer that says the caller is wrong is one."""
        breaker, self._breaker = self._breaker, None
        if breaker is not None:
            breaker.succeeded(self._era)

    def failure(self) -> None:
        """The upstream failed."""
        breaker, self._breaker = self._breaker, None
        if breaker is not None:
            breaker.failed(self._era)

    def ignored(self) -> None:
        """The call says nothing about the upstream: it was cancelled, or never made."""
        breaker, self._breaker = self._breaker, None
        if breaker is not None:
            breaker.ignored(self._era)

    def __enter__(self) -> "Permit":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.success()
        elif not issubclass(kind, Exception) or (
            isinstance(error, BrokerError) and error.kind.source is not Source.UPSTREAM
        ):
            self.ignored()
        else:
            self.failure()


class Probe(Permit):
    """A permit of which there are few: one that is dropped gives its place back."""

    __slots__ = ()

    def __del__(self) -> None:
        self.ignored()


class CircuitBreaker:
    """One for each target. `random` gives numbers in [0, 1), for the jitter."""

    def __init__(
        self,
        settings: BreakerSettings,
        clock: Callable[[], float],
        on_change: OnChange | None = None,
        random: Callable[[], float] = _JITTER.random,
    ) -> None:
        self.state = State.CLOSED
        """As of the last call: an open breaker whose time has passed turns half-open when the next one comes."""
        self._settings = settings
        self._clock = clock
        self._on_change = on_change
        self._random = random
        self._counts = SlidingCounts(settings.window) if settings.share else None
        self._era = 0
        self._row = 0
        self._opened = 0
        self._until = 0.0
        self._probing = 0
        self._proved = 0
        self._last_probe = 0.0

    def reconfigure(self, settings: BreakerSettings) -> None:
        """Go by other settings: an open one stays open, but for no longer than it would be open by these.

        What was counted in a window counts on in one of the same length; half-open, it finds out anew.
        """
        if not settings.share:
            self._counts = None
        elif self._counts is None or settings.window != self._settings.window:
            self._counts = SlidingCounts(settings.window)
        self._settings = settings
        if self.state is State.OPEN:
            self._until = min(self._until, self._clock() + settings.pause(self._opened, self._random()))
        elif self.state is State.HALF_OPEN:
            self._era += 1
            self._probing = self._proved = 0

    def admit(self) -> Permit | float:
        """A permit, or the seconds (more than 0) after which it is worth trying again."""
        if self.state is State.CLOSED:
            return Permit(self, self._era)
        return self._admit_probe(self._clock())

    def left(self) -> float:
        """Seconds until the next call could be admitted; 0.0 when it could be now. Changes nothing."""
        if self.state is State.CLOSED:
            return 0.0
        now = self._clock()
        if self.state is State.OPEN:
            return max(0.0, self._until - now)
        if self._probing + self._proved < self._settings.probes:
            return 0.0
        # The probes under way decide, and they may be done at any time; they are lost when patience is.
        return max(0.0, min(self._settings.open_for, self._last_probe + self._settings.patience - now))

    def _admit_probe(self, now: float) -> Permit | float:
        left = self.left()
        if left > 0:
            return left
        if self.state is State.OPEN:
            self._change(State.HALF_OPEN, "its time has passed")
        elif self._probing + self._proved >= self._settings.probes:
            self._era += 1
            self._probing = 0
        self._probing += 1
        self._last_probe = now
        return Probe(self, self._era)

    def succeeded(self, era: int) -> None:
        """A permit's call succeeded."""
        if era != self._era:
            return
        self._row = 0
        if self.state is State.CLOSED:
            if self._counts is not None:
                self._counts.add(self._clock(), 1, 0)
            return
        self._probing -= 1
        self._proved += 1
        if self._proved >= self._settings.probes:
            self._opened = 0
            self._change(State.CLOSED, "the probes succeeded")

    def failed(self, era: int) -> None:
        """A permit's call failed."""
        if era != self._era:
            return
        if self.state is State.HALF_OPEN:
            self._open("a probe failed")
            return
        settings, counts = self._settings, self._counts
        self._row += 1
        if counts is not None:
            counts.add(self._clock(), 1, 1)
        if settings.failures and self._row >= settings.failures:
            self._open(f"{self._row} failures in a row")
        elif counts is not None and counts.total >= settings.calls and counts.hits >= settings.share * counts.total:
            self._open(f"{counts.hits} of {counts.total} calls failed in {settings.window:g} s")

    def ignored(self, era: int) -> None:
        """A permit's call says nothing."""
        if era == self._era and self.state is State.HALF_OPEN:
            self._probing -= 1

    def _open(self, why: str) -> None:
        self._opened += 1
        self._until = self._clock() + self._settings.pause(self._opened, self._random())
        self._change(State.OPEN, why)

    def _change(self, state: State, why: str) -> None:
        old, self.state = self.state, state
        self._era += 1
        self._row = self._probing = self._proved = 0
        if self._counts is not None:
            self._counts.clear()
        if self._on_change is not None:
            self._on_change(old, state, why)
