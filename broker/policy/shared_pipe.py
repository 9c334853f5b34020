"""Many calls on one connection: none waits for the reply to another, and replies come in the order of the questions.

A call that is interrupted leaves its question in the pipe, so the connection never gets out of step.
"""

import asyncio
from collections import deque
from typing import Any, Final

from redis.asyncio import Connection
from redis.exceptions import ResponseError

from broker.policy.shared_bucket import StoreAway
from broker.policy.shared_link import away

_GRACE: Final = 0.005
_CHANCES: Final = 4
"""An answer that is due is looked for so many times more, `_GRACE` seconds apart: what came while the event loop was
busy elsewhere is read in one of the rounds between."""


class Pipe:
    """Questions to one open connection, each answered within `timeout` seconds; else the pipe is over."""

    def __init__(self, connection: Connection, timeout: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._connection = connection
        self._timeout = timeout
        self._asked: deque[tuple[float, asyncio.Future[Any]]] = deque()
        """When each answer is due, the oldest question first."""
        self._unsent: list[bytes] = []
        self._to_send = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._chances = _CHANCES
        self.over: asyncio.Future[StoreAway] = self._loop.create_future()
        """Why it ended, once it has."""
        self._tasks = [self._loop.create_task(self._write()), self._loop.create_task(self._read())]

    def ask(self, *command: str) -> asyncio.Future[Any]:
        """The reply, or `ResponseError` where that is the reply, or `StoreAway`. Raises `StoreAway` once it is over."""
        if self.over.done():
            raise StoreAway(*self.over.result().args)
        due = self._loop.time() + self._timeout
        future: asyncio.Future[Any] = self._loop.create_future()
        self._asked.append((due, future))
        self._unsent.extend(self._connection.pack_command(*command))
        self._to_send.set()
        if self._timer is None:
            self._timer = self._loop.call_at(due, self._check)
        return future

    def end(self, reason: StoreAway) -> None:
        """Answer every question with `reason`, at once; the first reason counts."""
        if self.over.done():
            return
        self.over.set_result(reason)
        if self._timer is not None:
            self._timer.cancel()
        for _, future in self._asked:
            _answer(future, StoreAway(*reason.args))
        self._asked.clear()

    async def close(self) -> None:
        """End it, and let go of the connection."""
        self.end(StoreAway("it is not used any more"))
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._connection.disconnect(nowait=True)

    async def _write(self) -> None:
        try:
            while True:
                await self._to_send.wait()
                self._to_send.clear()
                unsent, self._unsent = self._unsent, []
                if not self._connection.is_connected:
                    # The library would connect again, and take old replies for new ones.
                    raise ConnectionResetError("the connection ended")
                await self._connection.send_packed_command(unsent, check_health=False)
        except Exception as error:
            self.end(away(error))

    async def _read(self) -> None:
        try:
            while True:
                try:
                    reply = await self._connection.read_response()
                except ResponseError as error:
                    reply = error
                _, future = self._asked.popleft()
                _answer(future, reply)
        except Exception as error:
            self.end(away(error))

    def _check(self) -> None:
        self._timer = None
        if not self._asked:
            self._chances = _CHANCES
            return
        due = self._asked[0][0]
        if due > self._loop.time():
            self._chances = _CHANCES
            self._timer = self._loop.call_at(due, self._check)
        elif self._chances:
            self._chances -= 1
            self._timer = self._loop.call_later(_GRACE, self._check)
        else:
            self.end(StoreAway(f"no answer within {self._timeout:g}s"))


def _answer(future: "asyncio.Future[Any]", reply: Any) -> None:
    if future.done():
        return
    if isinstance(reply, Exception):
        future.set_exception(reply)
    else:
        future.set_result(reply)
