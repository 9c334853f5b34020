"""Who may connect: connections counted over all listeners, in total and by address.

There is one door for the whole process. It outlives reloads, so that connections of a listener on its way out count
until they are gone, and a limit that is lowered cuts nobody off: only newcomers are refused.
"""

from collections.abc import Callable
from time import monotonic
from typing import Literal

from broker.config.limits import Limits
from broker.listener.refusals import Refusals
from broker.listener.request_rate import RequestRate


class Door:
    """Counts who is in, and remembers an address for as long as it has a connection."""

    def __init__(self, refusals: Refusals, clock: Callable[[], float] = monotonic) -> None:
        self.refusals = refusals
        self.connections = 0
        self.request_rate: RequestRate | None = None
        """What requests are asked for as their heads are complete; None where they are not counted."""
        self._clock = clock
        self._by_address: dict[str, int] = {}
        self._limits = Limits()

    def reconfigure(self, limits: Limits) -> None:
        """Go by other limits from now on; what was counted stays."""
        if limits.rate_per_address != self._limits.rate_per_address:
            rate = limits.rate_per_address
            self.request_rate = None if rate is None else RequestRate(rate, self._clock)
        self._limits = limits

    def refuses(self, key: str | None) -> Literal["total", "address"] | None:
        """Why another connection is one too many; `key`: its address, None where that does not count."""
        if self.connections >= self._limits.connections:
            return "total"
        if key is not None and self._by_address.get(key, 0) >= self._limits.connections_per_address:
            return "address"
        return None

    def enter(self, key: str | None) -> None:
        """A connection is let in; `leave` with the same key once it is gone."""
        self.connections += 1
        if key is not None:
            self._by_address[key] = self._by_address.get(key, 0) + 1

    def leave(self, key: str | None) -> None:
        """It is gone."""
        self.connections -= 1
        if key is not None:
            left = self._by_address.pop(key) - 1
            if left:
                self._by_address[key] = left

    def __len__(self) -> int:
        """How many addresses are remembered."""
        return len(self._by_address)
