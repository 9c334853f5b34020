"""Runs a handshake in steps, in threads beside the event loop: it is Python's arithmetic, and much of it."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache, partial
from typing import Final

from broker.tls.errors import TlsFailure
from broker.tls.tlslite.alerts import failure_of
from broker.tls.tlslite.client import Steps

_THREADS: Final = 4

Outcome = bool | TlsFailure
"""Whether the handshake is complete, or why it never will be."""


@lru_cache(maxsize=1)
def _pool() -> ThreadPoolExecutor:
    """The threads that handshakes run in; made when the first is."""
    return ThreadPoolExecutor(_THREADS, "tlslite")


class Stepper:
    """One handshake's steps; not `attach`ed to a loop, it makes them where `go` is called."""

    __slots__ = ("_loop", "_steps", "_wake", "running")

    def __init__(self, steps: Steps) -> None:
        self.running = False
        self._steps: Steps | None = steps
        self._wake: Callable[[], None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def attach(self, wake: Callable[[], None]) -> None:
        """Make the steps beside the running event loop; `wake` is for `wake`."""
        self._wake = wake
        self._loop = asyncio.get_running_loop()

    def go(self, then: Callable[[Outcome], None]) -> None:
        """Make a step: go on until more ciphertext is needed. `then` is told what came of it, in the loop."""
        self.running = True
        if self._loop is None:
            self._finish(then, self._step())
        else:
            _pool().submit(self._step).add_done_callback(partial(self._report, self._loop, then))

    def _step(self) -> Outcome:
        try:
            for _ in self._steps or ():
                return False
        except Exception as error:
            # Whatever the peer provokes in the library breaks this connection, and no more.
            return failure_of(error)
        return True

    def _report(
        self, loop: asyncio.AbstractEventLoop, then: Callable[[Outcome], None], step: "Future[Outcome]"
    ) -> None:
        """In the thread of the pool."""
        try:
            loop.call_soon_threadsafe(self._finish, then, step.result())
        except RuntimeError:
            # The loop is closed: nobody waits.
            pass

    def _finish(self, then: Callable[[Outcome], None], outcome: Outcome) -> None:
        self.running = False
        then(outcome)

    def wake(self) -> None:
        """Tell whoever attached of progress."""
        if self._wake is not None:
            self._wake()

    def drop(self) -> None:
        """Make no more steps: whoever is woken holds this, and only the garbage collector would part them."""
        self._steps = None
        self._wake = None
