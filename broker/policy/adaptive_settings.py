"""How an adaptive limit behaves."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AdaptiveSettings:
    """Counts, seconds, and shares of 1."""

    least: int = 2
    """The limit never falls below it."""
    most: int = 100
    """The limit never rises above it."""
    tolerance: float = 0.25
    """How much longer than on the quiet service a call may take."""
    measure_every: float = 60.0
    """Seconds between two measurements of the quiet service, at least."""
    window: float = 1.0
    """Seconds that calls are watched before the limit grows."""
    calls: int = 20
    """Calls that have to be watched before the limit changes."""
    slack: float = 0.002
    """Seconds by which it may take longer in any case: the broker itself is not more punctual."""
    headroom: float = 1.0
    """Calls by which the limit grows in a window, or a tenth of it where that is more."""
    failures: float = 0.1
    """The share of overloaded calls (timeouts, 429, 503, 504) that is borne; above it, and above chance, it shrinks."""
    back_off: float = 0.7
    """What the limit is multiplied with when that share is exceeded."""

    def __post_init__(self) -> None:
        if not 1 <= self.least <= self.most or self.calls < 1:
            raise ValueError("an adaptive limit needs 1 <= least <= most, and at least one call to watch")
        if min(self.window, self.measure_every, self.headroom, self.tolerance, self.failures) <= 0 or self.slack < 0:
            raise ValueError("the times and shares of an adaptive limit are more than 0")
        if not 0 < self.back_off < 1:
            raise ValueError("a limit that backs off is multiplied with something between 0 and 1")
