"""What the store tells: counts for the metrics, one log line for each outage, new values for whom they concern."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from broker.core.secret import Secret, SecretUnavailable
from broker.secretstore.provider import ProviderDown

if TYPE_CHECKING:
    from broker.secretstore.feed import Feed

log = logging.getLogger(__name__)

Changed = Callable[[Secret, Secret | None], None]
"""Called with a new value and the one that it replaces, before anybody gets to see the new one."""


def nobody(_new: Secret, _old: Secret | None) -> None:
    """Tells no one."""


@dataclass(slots=True)
class Journal:
    """An outage is told when it begins and when it ends; tries in between are counted only."""

    changed: Changed = nobody
    counts: dict[tuple[str, str], int] = field(default_factory=dict)
    """By provider and outcome: `changed`, `unchanged`, `failed`."""
    _down: set[str] = field(default_factory=set)

    def answered(self, feed: "Feed", rotated: list[str], missing: set[str]) -> None:
        """`feed` was answered; `rotated` are references that had another value before, `missing` keys without one."""
        if feed.scheme in self._down:
            self._down.discard(feed.scheme)
            log.info("secrets can be had again", extra={"event": "secrets_back", "provider": feed.scheme})
        for name in rotated:
            log.info("a secret has a new value", extra={"event": "secret_rotated", "reference": name})
        if missing:
            self.failed(feed, SecretUnavailable(f"no text under {', '.join(sorted(missing))}"))
            return
        self._count(feed.scheme, "changed" if rotated else "unchanged")
        if feed.failing:
            feed.failing = False
            log.info("a secret is there again", extra={"event": "secret_back", "reference": feed.name})

    def failed(self, feed: "Feed", error: SecretUnavailable) -> None:
        """`feed` was not answered; its last good values stay."""
        self._count(feed.scheme, "failed")
        if isinstance(error, ProviderDown):
            if feed.scheme not in self._down:
                self._down.add(feed.scheme)
                event = {"event": "secrets_down", "provider": feed.scheme, "cause": str(error)}
                log.warning("a provider of secrets is down; last good values stay in use", extra=event)
        elif not feed.failing:
            feed.failing = True
            event = {"event": "secret_unavailable", "reference": feed.name, "cause": str(error)}
            log.warning("a secret cannot be had; its last good value, if any, stays in use", extra=event)

    def _count(self, scheme: str, outcome: str) -> None:
        self.counts[scheme, outcome] = self.counts.get((scheme, outcome), 0) + 1
