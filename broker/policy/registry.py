"""Buckets, bulkheads, breakers and the health of targets by name: they outlive the plans that use them.

Other settings make none of them another one: whoever is in a bulkhead counts in it after a reload, too.
"""

from collections.abc import Callable
from functools import partial
from time import monotonic, time
from typing import Any, Protocol, TypeVar

from broker.core.rates import Rate
from broker.policy.adaptive_bulkhead import AdaptiveBulkhead
from broker.policy.breaker import CircuitBreaker, OnChange
from broker.policy.breaker_settings import BreakerSettings
from broker.policy.bulkhead import Bulkhead, BulkheadSettings
from broker.policy.health import Health, HealthSettings, OnHealth
from broker.policy.held_bodies import HeldBodies
from broker.policy.pause import Pauses
from broker.policy.rate import TokenBucket
from broker.policy.retry import RetryBudget
from broker.policy.shared_bucket import SharedLimits

Name = tuple[str, ...]
"""What it is of, such as `("upstream", "warehouse")`."""


_S = TypeVar("_S")
_S_contra = TypeVar("_S_contra", contravariant=True)


class _Part(Protocol[_S_contra]):
    def reconfigure(self, settings: _S_contra, /) -> None:
        """Go by other settings from now on; cannot fail."""


_P = TypeVar("_P", bound=_Part[Any])


class Registry:
    """Gives what there is under a name, else a new one; other settings count once `apply` is called."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self.pauses = Pauses(clock, time)
        self.held_bodies = HeldBodies()
        self.shared: SharedLimits | None = None
        """Where rates are shared with other processes."""
        self.buckets: dict[Name, tuple[Rate, TokenBucket]] = {}
        self.bulkheads: dict[Name, tuple[BulkheadSettings, Bulkhead]] = {}
        self.breakers: dict[Name, tuple[BreakerSettings, CircuitBreaker]] = {}
        self.healths: dict[Name, tuple[HealthSettings, Health]] = {}
        self.budgets: dict[Name, tuple[float, RetryBudget]] = {}
        self.changes: list[Callable[[], None]] = []
        """What `apply` will do: what goes on is at work, and may only be changed with everything else."""

    def apply(self) -> None:
        """Everything goes by its new settings from now on; in the event loop, as some have waited for that."""
        changes, self.changes = self.changes, []
        for change in changes:
            change()

    def bucket(self, name: Name, rate: Rate) -> TokenBucket:
        """The bucket of a caller, route or upstream."""
        return self._goes_on(self.buckets, name, rate, lambda: TokenBucket(rate, self._clock))

    def bulkhead(self, name: Name, settings: BulkheadSettings) -> Bulkhead:
        """The bulkhead of a route or upstream."""
        return self._goes_on(self.bulkheads, name, settings, lambda: AdaptiveBulkhead(settings, self._clock, name[-1]))

    def breaker(self, name: Name, settings: BreakerSettings, on_change: OnChange) -> CircuitBreaker:
        """The breaker of a target."""
        return self._goes_on(self.breakers, name, settings, lambda: CircuitBreaker(settings, self._clock, on_change))

    def health(self, name: Name, settings: HealthSettings, on_change: OnHealth) -> Health:
        """The health of a target."""
        return self._goes_on(self.healths, name, settings, lambda: Health(settings, self._clock, on_change))

    def budget(self, name: Name, share: float) -> RetryBudget:
        """The retry budget of an upstream."""
        return self._goes_on(self.budgets, name, share, lambda: RetryBudget(self._clock, share))

    def _goes_on(self, kept: dict[Name, tuple[_S, _P]], name: Name, settings: _S, new: Callable[[], _P]) -> _P:
        found = kept.get(name)
        if found is None:
            found = kept[name] = settings, new()
        elif found[0] != settings:
            self.changes.append(partial(found[1].reconfigure, settings))
            found = kept[name] = settings, found[1]
        return found[1]

    def limit(self, name: Name) -> int | None:
        """Calls at a time that a bulkhead lets in now; None where there is none."""
        found = self.bulkheads.get(name)
        return None if found is None else found[1].limit

    def waiting(self, name: Name) -> int:
        """Calls in the queue of a bulkhead."""
        found = self.bulkheads.get(name)
        return 0 if found is None else found[1].waiting
