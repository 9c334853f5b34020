"""A body held back until its length is known: in memory up to a limit, then in a file that has no name."""

import asyncio
import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from errno import EDQUOT, EFBIG, ENOSPC
from typing import IO, Any, Final

from broker.core.body import Body
from broker.core.errors import BrokerError
from broker.policy.held_bodies import HeldShare
from broker.policy.refusal import refusal
from broker.upstream.file_body import FileBody
from broker.upstream.manner import HoldLimits

_FULL: Final = frozenset({ENOSPC, EDQUOT, EFBIG})
_PIECE: Final = 256 * 1024
"""Bytes that are written at once: each piece costs the way to a thread and back."""
_ROOM_SOON: Final = 5.0
"""Seconds after which a full disk may have room again."""


class Held:
    """All of a body, at hand: it can be sent more than once. Whoever has it closes it."""

    def __init__(self, parts: list[bytes], file: IO[bytes] | None, size: int, share: HeldShare | None = None) -> None:
        """`share`: what it takes of the budget, given back once it and every body that reads its file are closed."""
        self._parts = parts
        self._file = file
        self._share = share
        self._readers = 0
        self._closed = False
        self.size = size

    @property
    def memory(self) -> bytes | None:
        """The bytes, where memory holds them."""
        return None if self._file is not None else b"".join(self._parts)

    def body(self) -> Body:
        """A body to send. Whoever does not drain it to its end abandons it."""
        if self._file is None:
            return whole_body(self._parts)
        body = FileBody(os.dup(self._file.fileno()), self.size, self._read)
        self._readers += 1
        return body

    def close(self) -> None:
        """Let go of it, when no body of it is in memory any more; those that read the file keep what they need."""
        if self._closed:
            return
        self._closed = True
        if self._file is not None:
            _close(self._file)
        self._leave()

    def _read(self) -> None:
        self._readers -= 1
        self._leave()

    def _leave(self) -> None:
        if self._closed and not self._readers and self._share is not None:
            self._share.leave()

    def __del__(self) -> None:
        self.close()


def whole_body(parts: list[bytes]) -> Body:
    """A body that is all there."""
    whole = Body(_Still())
    for part in parts:
        whole.feed(part)
    whole.finish()
    return whole


async def hold(body: Body, limits: HoldLimits, length: int = 0) -> Held:
    """All of `body`; raises `BrokerError` when the limits, the budget of all calls or the disk do not allow it.

    `length`: what its head says, in bytes; 0 where it does not say.
    """
    if limits.budget is not None:
        limits.budget.check(length)
    collector = _Collector(body, limits)
    try:
        body.drain(collector)
        await collector.collected()
    except OSError as error:
        collector.discard()
        raise _not_written(error) from None
    except BaseException:
        collector.discard()
        raise
    return collector.result()


def _not_written(error: OSError) -> BrokerError:
    cause = f"{tempfile.tempdir}: {error}"
    if error.errno in _FULL:
        return refusal("overloaded", _ROOM_SOON, "The broker has no room left to hold the body back.", cause=cause)
    return BrokerError("internal_error", "The body could not be held back.", cause=cause)


class _Collector:
    """Takes a body; what memory may not hold is written by a thread, and the caller waits for it."""

    def __init__(self, body: Body, limits: HoldLimits) -> None:
        self._body = body
        self._limits = limits
        self._share = None if limits.budget is None else limits.budget.share()
        self._parts: list[bytes] = []
        self._pending = 0
        """Bytes in these parts."""
        self.size = 0
        self._file: IO[bytes] | None = None
        self._writing = False
        self._finished = False
        self._error: BrokerError | None = None
        self._news = asyncio.Event()

    # What the body tells.

    def write(self, data: bytes) -> None:
        if self._error is not None:
            return
        self.size += len(data)
        try:
            self._check(len(data))
        except BrokerError as error:
            self._error = error
            self._parts = []
            self._news.set()
            return
        self._parts.append(data)
        self._pending += len(data)
        if self._pending > (self._limits.memory if self._file is None else _PIECE):
            self._body.pause()
            self._news.set()

    def _check(self, more: int) -> None:
        if self.size > self._limits.total:
            raise BrokerError("body_too_large", "The body is larger than what is held back for this upstream.")
        if self._share is not None:
            self._share.grow(more)

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
            await self._in_thread(self._file.flush)

    async def _write_out(self) -> None:
        if self._file is None:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by whoever ends the body
        data, self._parts, self._pending = b"".join(self._parts), [], 0
        await self._in_thread(self._file.write, data)

    async def _in_thread(self, work: Callable[..., object], *given: Any) -> None:
        self._writing = True
        await asyncio.to_thread(work, *given)
        self._writing = False

    def discard(self) -> None:
        """Forget all of it."""
        self._parts = []
        if self._file is not None and self._writing:
            # A thread may be at it still, and closing waits for that.
            asyncio.get_running_loop().run_in_executor(None, _close, self._file)
        elif self._file is not None:
            _close(self._file)
        if self._share is not None:
            self._share.leave()

    def result(self) -> Held:
        """What was collected; it is no longer here."""
        parts, self._parts = self._parts, []
        return Held(parts, self._file, self.size, self._share)


def _close(file: IO[bytes]) -> None:
    """Close it, whatever the disk says to what was not written yet: nobody wants that any more."""
    with suppress(OSError):
        file.close()


class _Still:
    """The source of what is all there."""

    def pause_body(self) -> None:
        """Nothing comes."""

    def resume_body(self) -> None:
        """Nothing comes."""
