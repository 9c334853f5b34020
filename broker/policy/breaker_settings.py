"""When a circuit breaker opens, for how long, and how it finds out that it may close."""

from dataclasses import dataclass
from enum import IntEnum


class State(IntEnum):
    """What a breaker does with calls; the number is the value of its metric."""

    CLOSED = 0
    HALF_OPEN = 1
    OPEN = 2

    @property
    def label(self) -> str:
        """For logs: `closed`, `half-open`, `open`."""
        return self.name.lower().replace("_", "-")


@dataclass(frozen=True, slots=True)
class BreakerSettings:
    """Counts, shares of 1, and seconds."""

    failures: int = 5
    """Failures in a row that open it; 0: no such rule."""
    share: float = 0.0
    """The share of failed calls in `window` that opens it; 0: no such rule."""
    window: float = 30.0
    """Seconds that `share` looks back."""
    calls: int = 20
    """Calls in `window` below which a share says nothing."""
    open_for: float = 10.0
    """Seconds without a call, the first time."""
    growth: float = 1.0
    """What `open_for` is multiplied with, each time that the probes fail."""
    open_most: float = 300.0
    """Seconds beyond which it does not grow."""
    jitter: float = 0.0
    """Share of the time by which it is prolonged at random, so that many brokers do not come back at once."""
    probes: int = 1
    """Calls let through half-open; as many have to succeed."""
    patience: float = 120.0
    """Seconds after which a probe that nobody reported on is given up for lost."""

    def __post_init__(self) -> None:
        if self.failures < 0 or not 0 <= self.share <= 1 or not (self.failures or self.share):
            raise ValueError("a breaker needs a number of failures in a row, or a share between 0 and 1")
        if min(self.window, self.open_for, self.open_most, self.patience) <= 0 or min(self.calls, self.probes) < 1:
            raise ValueError("the times, calls and probes of a breaker are more than 0")
        if self.growth < 1 or self.jitter < 0:
            raise ValueError("a breaker's growth is at least 1, its jitter at least 0")

    def pause(self, opened: int, random: float) -> float:
        """Seconds to stay open, the `opened`th time in a row (from 1); `random` is in [0, 1)."""
        grown = self.open_for * self.growth ** min(opened - 1, 64)
        return min(grown, max(self.open_most, self.open_for)) * (1.0 + self.jitter * random)
