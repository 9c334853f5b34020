"""Connections that were refused: counted, each of them, and told to the log, now and then."""

import logging
from collections.abc import Callable
from time import monotonic
from typing import Final, Literal

log = logging.getLogger(__name__)

Reason = Literal["listener", "total", "address"]
"""Whose limit was reached: the listener's, that of all listeners together, or that of the peer's address."""

QUIET: Final = 10.0
"""Seconds between two lines for the same reason: whoever floods the broker must not flood its log too."""
_SETTINGS: Final[dict[Reason, str]] = {
    "listener": "listeners.{}.limits.connections",
    "total": "limits.connections",
    "address": "limits.connections_per_address",
}


class Refusals:
    """Notes them; `counts` is by listener and reason."""

    def __init__(self, counts: dict[tuple[str, str], int], clock: Callable[[], float] = monotonic) -> None:
        self._counts = counts
        self._clock = clock
        self._quiet_until: dict[Reason, float] = {}
        self._untold: dict[Reason, int] = {}

    def note(self, listener: str, reason: Reason, peer: str) -> None:
        """A connection was refused."""
        self._counts[listener, reason] = self._counts.get((listener, reason), 0) + 1
        untold = self._untold[reason] = self._untold.get(reason, 0) + 1
        now = self._clock()
        if now < self._quiet_until.get(reason, now):
            return
        self._quiet_until[reason] = now + QUIET
        self._untold[reason] = 0
        setting = _SETTINGS[reason].format(listener)
        event = {"event": "connections_refused", "listener": listener, "reason": reason, "peer": peer}
        log.warning("connections are refused: %s is reached", setting, extra={**event, "refused": untold})
