"""A bulkhead that can find out by itself how many calls at a time the service behind it can take."""

import logging
from collections.abc import Callable
from dataclasses import replace
from math import inf

from broker.policy.adaptive import AdaptiveLimit
from broker.policy.adaptive_settings import AdaptiveSettings
from broker.policy.bulkhead import Bulkhead, BulkheadSettings
from broker.policy.fair_queue import Priority

log = logging.getLogger(__name__)


class AdaptiveBulkhead(Bulkhead):
    """It is told how long the service took over each attempt at a call: a `Watcher`.

    Without `adaptive` settings its limit stays as it is, until it is given some.
    """

    def __init__(self, settings: BulkheadSettings, clock: Callable[[], float], name: str) -> None:
        """`name`: the upstream's, for the log."""
        super().__init__(settings, clock)
        self._name = name
        self._adapt(settings.adaptive)

    @property
    def adapts(self) -> bool:
        """Whether it wants to be told."""
        return self._adaptive is not None

    async def enter(self, priority: Priority = Priority.MEDIUM, deadline: float = inf, waited: float = 0.0) -> float:
        """As in any bulkhead."""
        if self._adaptive is not None:
            self._adaptive.look()
        return await super().enter(priority, deadline, waited)

    def served(self, seconds: float, *, overloaded: bool) -> None:
        """The service took so long over one attempt, or was overloaded; the call keeps its place."""
        if self._adaptive is not None:
            self._adaptive.observe(seconds, self.active, overloaded=overloaded)

    def reconfigure(self, settings: BulkheadSettings) -> None:
        """As any bulkhead; what was found out counts on, unless it is to be found out in another way."""
        goes_on = settings.adaptive is not None and settings.adaptive == self._settings.adaptive
        super().reconfigure(replace(settings, limit=self.limit) if goes_on else settings)
        if not goes_on:
            self._adapt(settings.adaptive)

    def _adapt(self, settings: AdaptiveSettings | None) -> None:
        self._adaptive: AdaptiveLimit | None = None
        self._logged = self.limit
        if settings is not None:
            self._adaptive = AdaptiveLimit(settings, self._follow, self._clock)

    def _follow(self, limit: int) -> None:
        if limit == self.limit:
            return
        self.set_limit(limit)
        measuring = self._adaptive is not None and self._adaptive.measuring
        if not measuring and not self._logged / 2 < limit < 2 * self._logged:
            self._logged = limit
            log.info(
                "%s is given %d calls at a time",
                self._name,
                limit,
                extra={"event": "concurrency_limit", "upstream": self._name, "limit": limit},
            )
