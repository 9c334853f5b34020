"""What the metrics want to know of the parts that keep their own state."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class UpstreamState:
    """An upstream's connections and counts."""

    name: str
    idle: int
    busy: int
    handshakes: Mapping[tuple[str, str], int]
    retries: Mapping[str, int]
    circuits: Mapping[str, int] = field(default_factory=dict)
    """State of each target's circuit breaker: 0 closed, 1 half-open, 2 open."""
    waiting: int = 0
    """Calls that wait for their turn."""
    healthy: Mapping[str, bool] = field(default_factory=dict)
    """Whether each target that is watched is usable."""
    limit: int | None = None
    """Calls that are let in at a time, now; None: any number."""


@dataclass(frozen=True, slots=True)
class CertificateDate:
    """When a certificate expires, in seconds since the epoch."""

    place: str
    subject: str
    not_after: float


@dataclass(frozen=True, slots=True)
class ReviewDate:
    """When an exception is looked at again, in seconds since the epoch."""

    upstream: str
    timestamp: float


@dataclass(frozen=True, slots=True)
class TokenState:
    """A token that routes share: how often it was asked for by outcome, and when it ends in seconds since the epoch."""

    route: str
    type: str
    requests: Mapping[str, int]
    expires: float | None


@dataclass(frozen=True, slots=True)
class SharedLimitsState:
    """Whether limits are shared among replicas now, and how many calls were decided without their store."""

    up: bool
    fallbacks: int


@dataclass(frozen=True, slots=True)
class SecretState:
    """How providers of secrets answer: look-ups by provider and outcome; provider, reference and age in seconds."""

    refreshes: Mapping[tuple[str, str], int]
    ages: Sequence[tuple[str, str, float]]
