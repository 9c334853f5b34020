"""Whether a store is there: what the log says of it, and how soon it is tried again.

A store can answer when it is looked at and fail as soon as calls ask it: a user without all rights, a key of another
kind, answers that are often late. It is tried less and less often then, and the log does not follow every change.
"""

import logging
from time import monotonic
from typing import Final

from broker.policy.shared_bucket import StoreAway

log = logging.getLogger(__name__)

_SOON: Final = 0.1
"""Seconds before the first attempt to get a store back that was steady."""
_PAUSE: Final = 1.0
"""Seconds before any other; doubled each time that it was there, and did not stay."""
_LONGEST: Final = 5.0
_DOUBLINGS: Final = 3
"""Times that the pause is doubled until it is the longest: without a bound, a float cannot hold it after 1024 times."""
_TOLD: Final = 3
"""That it is back is told so many times in a row without waiting whether it stays."""


class Presence:
    """Told of every change, it tells the log of those that count."""

    def __init__(self, name: str) -> None:
        """`name`: how the log calls the store."""
        self._name = name
        self._there = False
        self._brief = 0
        """Times in a row that it was there, up to now, without being steady."""
        self._away_since: float | None = None
        """Of the clock, in seconds; None while the log takes it for there."""

    def there(self, *, steady: bool) -> None:
        """It works; `steady`: and has for a while."""
        if steady:
            self._brief = 0
        elif not self._there:
            self._brief += 1
        self._there = True
        if self._away_since is not None and self._brief <= _TOLD:
            seconds = round(monotonic() - self._away_since, 1)
            self._away_since = None
            extra = {"event": "limits_store_back", "store": self._name, "seconds": seconds}
            log.info("limits are shared among replicas again", extra=extra)

    def gone(self, reason: StoreAway) -> float:
        """It does not work; the seconds until it is worth another attempt."""
        was_there, self._there = self._there, False
        if self._away_since is None:
            self._away_since = monotonic()
            extra = {"event": "limits_store_away", "store": self._name, "cause": str(reason)}
            log.error("limits are not shared now: each replica grants the whole of them", extra=extra)
        if not was_there:
            return _PAUSE
        return min(_PAUSE * 2.0 ** min(self._brief - 1, _DOUBLINGS), _LONGEST) if self._brief else _SOON
