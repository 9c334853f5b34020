"""A body that comes back from a file."""

import asyncio
import os
from collections.abc import Callable

from broker.core.body import Body
from broker.core.errors import BrokerError

_PIECE = 256 * 1024


class FileBody(Body):
    """A body read from a file by a thread, as fast as it is drained; its descriptor is closed at its end."""

    __slots__ = ("_file_source",)

    def __init__(self, descriptor: int, length: int, over: Callable[[], None]) -> None:
        """`over` is called once, when the descriptor is closed."""
        self._file_source = _FileSource(descriptor, length, self._came, over)
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
    def __init__(
        self,
        descriptor: int,
        length: int,
        came: Callable[[bytes, Exception | None], None],
        over: Callable[[], None],
    ) -> None:
        self._descriptor = descriptor
        self._length = length
        self._at = 0
        self._came = came
        self._over = over
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
            self._end()
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
            self._end()

    def _end(self) -> None:
        os.close(self._descriptor)
        self._over()
