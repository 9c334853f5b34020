"""Buckets, bulkheads, breakers and the health of targets by name: they outlive the plans that use them."""

from collections.abc import Callable
from time import monotonic, time

from broker.core.rates import Rate
from broker.policy.breaker import CircuitBreaker, OnChange
from broker.policy.breaker_settings import BreakerSettings
from broker.policy.bulkhead import Bulkhead, BulkheadSettings
from broker.policy.health import Health, HealthSettings, OnHealth
from broker.policy.pause import Pauses
from broker.policy.rate import TokenBucket
from broker.policy.retry import RetryBudget

Name = tuple[str, ...]
"""What it is of, such as `("upstream", "warehouse")`."""


class Registry:
    """Gives what there is under a name where its settings are the same, else a new one."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self.pauses = Pauses(clock, time)
        self.buckets: dict[Name, tuple[Rate, TokenBucket]] = {}
        self.bulkheads: dict[Name, tuple[BulkheadSettings, Bulkhead]] = {}
        self.breakers: dict[Name, tuple[BreakerSettings, CircuitBreaker]] = {}
        self.healths: dict[Name, tuple[HealthSettings, Health]] = {}
        self.budgets: dict[Name, tuple[float, RetryBudget]] = {}

    def bucket(self, name: Name, rate: Rate) -> TokenBucket:
        """The bucket of a caller, route or upstream."""
        found = self.buckets.get(name)
        if found is None or found[0] != rate:
            found = self.buckets[name] = rate, TokenBucket(rate, self._clock)
        return found[1]

    def bulkhead(self, name: Name, settings: BulkheadSettings) -> Bulkhead:
        """The bulkhead of a route or upstream."""
        found = self.bulkheads.get(name)
        if found is None or found[0] != settings:
            found = self.bulkheads[name] = settings, Bulkhead(settings, self._clock)
        return found[1]

    def breaker(self, name: Name, settings: BreakerSettings, on_change: OnChange) -> CircuitBreaker:
        """The breaker of a target."""
        found = self.breakers.get(name)
        if found is None or found[0] != settings:
            found = self.breakers[name] = settings, CircuitBreaker(settings, self._clock, on_change)
        return found[1]

    def health(self, name: Name, settings: HealthSettings, on_change: OnHealth) -> Health:
        """The health of a target."""
        found = self.healths.get(name)
        if found is None or found[0] != settings:
            found = self.healths[name] = settings, Health(settings, self._clock, on_change)
        return found[1]

    def budget(self, name: Name, share: float) -> RetryBudget:
        """The retry budget of an upstream."""
        found = self.budgets.get(name)
        if found is None or found[0] != share:
            found = self.budgets[name] = share, RetryBudget(self._clock, share)
        return found[1]

    def waiting(self, name: Name) -> int:
        """Calls in the queue of a bulkhead."""
        found = self.bulkheads.get(name)
        return 0 if found is None else found[1].waiting
