"""Handshake steps beside the event loop: a Diffie-Hellman of 2048 bits takes as long as a hundred calls."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache
from typing import Final

from broker.tls.private.library import WANT

_THREADS: Final = 4


@lru_cache(maxsize=1)
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_THREADS, "private-tls")


def _nothing() -> int:
    return WANT


class Stepper:
    """Runs `work`, one step at a time: the first one here, for it is only the hello, all others in a thread.

    Without a loop (`attach` was not called) every step is taken here.
    """

    __slots__ = ("__weakref__", "_first", "_later", "_loop", "_result", "_wake", "_work", "running")

    def __init__(self, work: Callable[[], int]) -> None:
        self._work = work
        self._wake: Callable[[], None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._first = True
        self._result: int | None = None
        self._later: list[Callable[[], object]] = []
        self.running = False
        """Whether a thread has the connection: nobody else may touch it."""

    def attach(self, wake: Callable[[], None]) -> None:
        """`wake` is called in the loop when a step is done."""
        self._wake = wake
        self._loop = asyncio.get_running_loop()

    def step(self) -> int | None:
        """The result of a step; None while it is under way."""
        if self.running:
            return None
        result, self._result = self._result, None
        if result is not None:
            return result
        if self._first or self._loop is None:
            self._first = False
            return self._work()
        self.running = True
        # The bound method keeps the engine, and with it the connection, alive until the thread is done.
        _pool().submit(self._work).add_done_callback(self._report)
        return None

    def after(self, what: Callable[[], object]) -> None:
        """Do something to the connection, once nobody else has it."""
        if self.running:
            self._later.append(what)
        else:
            what()

    def end(self) -> None:
        """There are no more steps, or nobody waits for them: let go of everything, for cycles are collected late."""
        self._work = _nothing
        self._wake = self._loop = None
        self._later.clear()

    def _report(self, done: "Future[int]") -> None:
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._done, done.result())

    def _done(self, result: int) -> None:
        self.running = False
        if self._wake is None:
            return
        later, self._later = self._later, []
        for what in later:
            what()
        # A step that wanted more is forgotten where more has come: the next one is due.
        self._result = None if later and result == WANT else result
        self._wake()
