"""What callers have of their own, a rate and a priority, for the gates of all their routes."""

from collections.abc import Mapping

from broker.config.model import Config
from broker.core.rates import Rate
from broker.policy.fair_queue import Priority
from broker.policy.meter import Meter, Tokens
from broker.policy.registry import Name, Registry
from broker.policy.shared_bucket import SharedBucket

Own = tuple[Mapping[str, Meter], Mapping[str, Priority]]
"""By caller: its meter, and its priority; who has none is in neither."""


def priority_named(name: str | None) -> Priority:
    """As it is named in the configuration."""
    return Priority[(name or "medium").upper()]


def tokens_of(name: Name, rate: Rate, registry: Registry) -> Tokens:
    """The bucket of a caller, route or upstream, here and among replicas."""
    return Tokens(registry.bucket(name, rate), SharedBucket(":".join(name), rate))


class CallerLimits:
    """Made once for each caller and each list of callers: with hundreds of both, that is what a route would cost."""

    def __init__(self, config: Config, registry: Registry) -> None:
        self._callers = config.callers
        self._registry = registry
        self._meters: dict[str, Meter] = {}
        self._own: dict[tuple[str, ...], Own] = {}

    def of(self, names: tuple[str, ...]) -> Own:
        """What these callers have; the same for all routes that list them so."""
        found = self._own.get(names)
        if found is None:
            meters = {name: meter for name in names if (meter := self._meter(name)) is not None}
            priorities = {
                name: priority_named(given) for name in names if (given := self._callers[name].priority) is not None
            }
            found = self._own[names] = meters, priorities
        return found

    def _meter(self, name: str) -> Meter | None:
        rate = self._callers[name].rate
        if rate is None:
            return None
        if name not in self._meters:
            bucket = tokens_of(("caller", name), rate, self._registry)
            self._meters[name] = Meter(bucket, "The caller makes too many calls.")
        return self._meters[name]
