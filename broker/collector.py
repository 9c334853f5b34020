"""The garbage collector, kept away from what lives long."""

import asyncio
import gc
from typing import Final

QUIET: Final = 5.0
"""Seconds after a reload until its remains are collected: several reloads in a row cost one collection."""


def calm_collector() -> None:
    """Let it pass over all that there is now, which lives long; calls leave next to no cycles behind."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


class Tidy:
    """Collects what reloads leave behind.

    Most of a plan goes when nothing refers to it any more, but some of it is in cycles, such as TLS contexts with their
    callbacks, and what `calm_collector` froze is never looked at again. So all of it is thawed, looked at once, and
    frozen as it is then. That holds the event loop up for as long as it takes, which is why it waits for quiet.
    """

    def __init__(self) -> None:
        self._timer: asyncio.TimerHandle | None = None

    def soon(self) -> None:
        """There is something to collect."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(QUIET, self.now)

    def now(self) -> None:
        """Collect it."""
        self.cancel()
        gc.unfreeze()
        calm_collector()

    def cancel(self) -> None:
        """Collect nothing any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
