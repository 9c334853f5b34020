"""Bodies looked at, collected, or thrown away."""

import asyncio
from typing import Final

from broker.core.body import Body, BodyBelow
from broker.core.plan import Reply

COLLECTED_MOST: Final = 64 * 1024
SOON: Final = 0.25
"""Seconds in which an answer that nobody gets is read on: its connection is worth no more."""


class AwaitedSink:
    """The part of a sink that waits for the end of a body: `ended` raises what broke it off."""

    def __init__(self) -> None:
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def finish(self) -> None:
        """The body is complete."""
        if not self.ended.done():
            self.ended.set_result(None)

    def fail(self, error: Exception) -> None:
        """The body broke off."""
        if not self.ended.done():
            self.ended.set_exception(error)


class _Collector(AwaitedSink):
    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most
        self.data = bytearray()

    def write(self, data: bytes) -> None:
        self.data += data[: max(0, self._most - len(self.data))]
        if len(self.data) >= self._most and not self.ended.done():
            self.ended.set_result(None)


async def collect(answer: Reply, most: int = COLLECTED_MOST) -> bytes:
    """The answer's body up to `most` bytes; the rest of a longer one is given up. Raises what broke it off."""
    if answer.body is None:
        return b""
    collector = _Collector(most)
    answer.body.drain(collector)
    try:
        await collector.ended
    finally:
        answer.cancel()
    return bytes(collector.data)


async def collected_soon(answer: Reply, within: float | None = SOON) -> bytes | None:
    """All of a short answer's body, where it comes `within` these seconds; None for any other, which is given up."""
    body = answer.body
    try:
        async with asyncio.timeout(within):
            data = await collect(answer)
    except Exception:
        answer.cancel()
        return None
    # A body may be complete, and longer than what was collected.
    return data if body is None or (body.complete and len(data) == body.size) else None


async def discard(answer: Reply, within: float | None = SOON) -> None:
    """Let go of an answer that nobody gets; a short one leaves its connection fit for the next call."""
    await collected_soon(answer, within)


class Peeked(Body):
    """A body whose beginning was looked at; it is drained like any other."""

    __slots__ = ("_enough", "_most", "_under")

    def __init__(self, under: Body, most: int) -> None:
        super().__init__(BodyBelow(under))
        self._most = most
        self._enough: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        under.drain(self)

    async def beginning(self) -> bytes:
        """The first bytes, as many as were asked for where there are so many."""
        await self._enough
        return b"".join(self._held)[: self._most]

    def write(self, data: bytes) -> None:
        """More of the body under this one."""
        self.feed(data)
        if self.size >= self._most:
            self._tell()

    def finish(self) -> None:
        super().finish()
        self._tell()

    def fail(self, error: Exception) -> None:
        super().fail(error)
        self._tell()

    def _tell(self) -> None:
        if not self._enough.done():
            self._enough.set_result(None)
