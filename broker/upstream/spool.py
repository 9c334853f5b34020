"""A body held back until its length is known: in memory up to a limit, then in a file that has no name."""

import asyncio
import os
import tempfile
from collections.abc import Callable
from typing import IO

from broker.core.body import Body
from broker.core.errors import BrokerError
from broker.upstream.manner import HoldLimits

_PIECE = 256 * 1024


class Held:
    """All of a body, at hand: it can be sent more than once. Whoever has it closes it."""

    def __init__(self, parts: list[bytes], file: IO[bytes] | None, size: int) -> None:
        self._parts = parts
        self._file = file
        self.size = size

    @property
    def memory(self) -> bytes | None:
        """The bytes, where memory holds them."""
        return None if self._file is not None else b"".join(self._parts)

    def body(self) -> Body:
        """A body to send. Whoever does not drain it to its end abandons it."""
        if self._file is not None:
            return FileBody(os.dup(self._file.fileno()), self.size)
        return whole_body(self._parts)

    def close(self) -> None:
        """Let go of the file; bodies that are being sent keep what they need."""
        if self._file is not None:
            self._file.close()


def whole_body(parts: list[bytes]) -> Body:
    """A body that is all there."""
    whole = Body(_Still())
    for part in parts:
        whole.feed(part)
    whole.finish()
    return whole


async def hold(body: Body, limits: HoldLimits) -> Held:
    """All of `body`; raises `BrokerError` when it is larger than the limits allow."""
    collector = _Collector(body, limits)
    body.drain(collector)
    try:
        await collector.collected()
    except OSError as error:
        collector.discard()
        raise BrokerError("internal_error", "The body could not be held back.", cause=str(error)) from None
    except BaseException:
        collector.discard()
        raise
    return collector.result()


class _Collector:
    """Takes a body; what memory may not hold is written by a thread, and the caller waits for it."""

    def __init__(self, body: Body, limits: HoldLimits) -> None:
        self._body = body
        self._limits = limits
        self._parts: list[bytes] = []
        self.size = 0
        self._file: IO[bytes] | None = None
        self._finished = False
        self._error: BrokerError | None = None
        self._news = asyncio.Event()

    # What the body tells.

    def write(self, data: bytes) -> None:
        if self._error is not None:
            return
        self.size += len(data)
        if self.size > self._limits.total:
            self._error = BrokerError("body_too_large", "The body is larger than what is held back for this upstream.")
            self._parts = []
            self._news.set()
            return
        self._parts.append(data)
        if self.size > self._limits.memory:
            self._body.pause()
            self._news.set()

    def finish(self) -> None:
        self._finished = True
        self._news.set()

    def fail(self, error: Exception) -> None:
        # Whoever breaks a body off interrupts its call too, and that counts before this.
        self._error = self._error or BrokerError("bad_request", "The body broke off.")
        self._news.set()

    # What becomes of it.

    async def collected(self) -> None:
        """Wait for the end of the body; raises `BrokerError` or `OSError`."""
        while True:
            await self._news.wait()
            self._news.clear()
            if self._error is not None:
                raise self._error
            if self.size > self._limits.memory:
                await self._write_out()
                self._body.resume()
            if self._finished and (self._file is None or not self._parts):
                break
        if self._file is not None:
            await asyncio.to_thread(self._file.flush)

    async def _write_out(self) -> None:
        if self._file is None:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by whoever ends the body
        data, self._parts = b"".join(self._parts), []
        await asyncio.to_thread(self._file.write, data)

    def discard(self) -> None:
        """Forget all of it."""
        self._parts = []
        if self._file is not None:
            self._file.close()

    def result(self) -> Held:
        """What was collected."""
        return Held(self._parts, self._file, self.size)


class _Still:
    """The source of what is all there."""

    def pause_body(self) -> None:
        """Nothing comes."""

    def resume_body(self) -> None:
        """Nothing comes."""


class FileBody(Body):
    """A body read from a file by a thread, as fast as it is drained; its descriptor is closed at its end."""

    __slots__ = ("_file_source",)

    def __init__(self, descriptor: int, length: int) -> None:
        self._file_source = _FileSource(descriptor, length, self._came)
        super().__init__(self._file_source)
        # Paused from the start: draining it makes the source go.
        self.pause()

    def _came(self, data: bytes, error: Exception | None) -> None:
        if error is not None:
            self.fail(BrokerError("internal_error", "The body could not be read back.", cause=str(error)))
        elif data:
            self.feed(data)
        else:
            self.finish()

    def abandon(self) -> None:
        self._file_source.close()


class _FileSource:
    def __init__(self, descriptor: int, length: int, came: Callable[[bytes, Exception | None], None]) -> None:
        self._descriptor = descriptor
        self._length = length
        self._at = 0
        self._came = came
        self._loop = asyncio.get_running_loop()
        self._reading: asyncio.Future[bytes] | None = None
        self._paused = True
        self._closed = False

    def pause_body(self) -> None:
        self._paused = True

    def resume_body(self) -> None:
        self._paused = False
        self._go_on()

    def _go_on(self) -> None:
        if self._paused or self._closed or self._reading is not None:
            return
        self._reading = self._loop.run_in_executor(None, os.pread, self._descriptor, _PIECE, self._at)
        self._reading.add_done_callback(self._read)

    def _read(self, reading: "asyncio.Future[bytes]") -> None:
        self._reading = None
        if self._closed or reading.cancelled():
            os.close(self._descriptor)
            return
        error = reading.exception()
        data = b"" if error is not None else reading.result()
        self._at += len(data)
        left = self._length - self._at
        if not left or not data:
            self.close()
        if data:
            self._came(data, None)
        if left and not data:
            self._came(b"", OSError(str(error or "the file is shorter than what was written")))
        elif not left:
            self._came(b"", None)
        else:
            self._go_on()

    def __del__(self) -> None:
        self.close()

    def close(self) -> None:
        """Read no more; a read that is under way closes the descriptor when it ends."""
        if self._closed:
            return
        self._closed = True
        if self._reading is None:
            os.close(self._descriptor)
