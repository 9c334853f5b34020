"""How much a probe may ask of an endpoint: connections, seconds, pace, and never more than two at once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic
from typing import Final

_AT_ONCE: Final = 2
_SLOW_PACE: Final = 1.0


class BudgetSpent(Exception):
    """There are no connections, or no seconds, left."""


class Budget:
    """Every connection of a probe is opened in `connection`."""

    def __init__(self, *, connections: int = 150, seconds: float = 60.0, pace: float = 0.05, timeout: float = 4.0):
        self.limit = connections
        self.opened = 0
        self.pace = pace
        self.slowed = False
        self.timeout = timeout
        """Seconds to wait for an answer to a hello."""
        self.patience = timeout * 4
        """Seconds to wait for the answer to a call: old services take their time to wake up."""
        self.cooling = min(2.0, timeout)
        """Seconds to leave a server alone when it stopped answering."""
        self._start = monotonic()
        self._end = self._start + seconds
        self._next = self._start
        self._slots = asyncio.Semaphore(_AT_ONCE)

    @property
    def left(self) -> float:
        """Seconds until the verdict is due."""
        return max(0.0, self._end - monotonic())

    @property
    def spent(self) -> float:
        """Seconds since the start."""
        return monotonic() - self._start

    def share(self, part: float) -> bool:
        """Whether less than this part of the connections and of the time is gone."""
        total = self._end - self._start
        return self.opened < self.limit * part and self.spent < total * part

    def slow_down(self) -> None:
        """The server dislikes the pace: one connection a second from here on."""
        self.slowed = True
        self.pace = max(self.pace, min(_SLOW_PACE, self.timeout))

    def heard(self, seconds: float) -> None:
        """A server that answered in this time need not be waited for much longer."""
        self.timeout = min(self.timeout, max(1.5, seconds * 10))

    async def rest(self) -> None:
        """Leave the server alone for a moment."""
        await asyncio.sleep(min(self.cooling, self.left))

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[None]:
        """Room for one connection, when its turn has come. Raises `BudgetSpent`."""
        async with self._slots:
            now = monotonic()
            self._next = max(self._next, now) + self.pace
            await asyncio.sleep(min(max(0.0, self._next - self.pace - now), self.left))
            if self.opened >= self.limit or not self.left:
                raise BudgetSpent
            self.opened += 1
            yield
