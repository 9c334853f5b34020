"""Raw HTTP through the engine that works: the bytes of answers as they came, with all their faults."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from broker.probe.budget import Budget
from broker.probe.wire import Place, connect
from broker.tls.engine import ClientTls, TlsEngine
from broker.tls.errors import TlsFailure
from broker.tls.stream import SecureStream
from broker.upstream.origin import Origin

_MOST: Final = 256 * 1024
_HEAD_END: Final = re.compile(rb"\r?\n\r?\n")
_LENGTH: Final = re.compile(rb"^content-length[ \t]*:[ \t]*(\d+)", re.IGNORECASE | re.MULTILINE)
_CHUNKED: Final = re.compile(rb"^transfer-encoding[ \t]*:.*chunked", re.IGNORECASE | re.MULTILINE)
_BODYLESS: Final = re.compile(rb"\S+ (?:1\d\d|204|304)")


class Tap(SecureStream):
    """A connection whose bytes are kept."""

    def __init__(self, engine: TlsEngine | None) -> None:
        super().__init__(engine)
        self.data = b""
        self.over = False
        """Whether no more will come."""
        self.ready = asyncio.Event()
        self._news = asyncio.Event()

    @property
    def engine(self) -> TlsEngine | None:
        """What was negotiated."""
        return self._engine

    def established(self) -> None:
        self.ready.set()

    def received(self, data: bytes) -> None:
        self.data = (self.data + data)[:_MOST]
        self._news.set()

    def ended(self, clean: bool) -> None:
        self._end()

    def tls_failed(self, failure: TlsFailure) -> None:
        self._end()

    def lost(self, error: Exception | None) -> None:
        self._end()

    def _end(self) -> None:
        self.over = True
        self.ready.set()
        self._news.set()

    async def ask(self, request: bytes, seconds: float, *, bodyless: bool = False) -> bytes:
        """Send, and read one answer, or what there is of it when the time is over."""
        self.data = b""
        self.send(request)
        try:
            async with asyncio.timeout(seconds):
                while not self.over and not whole(self.data, bodyless=bodyless):
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            pass
        return self.data

    async def wait_for(self, part: bytes, seconds: float) -> bool:
        """Whether these bytes came, or the answer did."""
        try:
            async with asyncio.timeout(seconds):
                while part not in self.data and not self.over:
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            return False
        return part in self.data


def whole(data: bytes, *, bodyless: bool) -> bool:
    """Whether a final answer is all there, as far as its own words about its length go."""
    found = _HEAD_END.search(data)
    if found is None:
        return len(data) >= _MOST
    head, body = data[: found.start()], data[found.end() :]
    if re.match(rb"HTTP/1\.\d 1\d\d", head):
        return whole(body, bodyless=bodyless) if body else False
    if bodyless or _BODYLESS.match(head):
        return True
    if _CHUNKED.search(head):
        return body.endswith((b"0\r\n\r\n", b"0\n\n"))
    length = _LENGTH.search(head)
    return (length is not None and len(body) >= int(length[1])) or len(data) >= _MOST


@asynccontextmanager
async def tapped(place: Place, origin: Origin, budget: Budget) -> AsyncIterator[Tap]:
    """A connection that has shaken hands; raises `OSError`, `TimeoutError` and `BudgetSpent`.

    What is sent must not be secret: the certificate is checked as far as the engine does it alone.
    """
    tls: ClientTls | None = origin.tls
    async with budget.connection():
        async with asyncio.timeout(min(budget.left, budget.timeout * 2)):
            sock = await connect(place)
            engine = None if tls is None else tls.engine(origin.server_name, origin.host, origin.port)
            _, tap = await asyncio.get_running_loop().create_connection(lambda: Tap(engine), sock=sock)
            try:
                await tap.ready.wait()
            except BaseException:
                tap.abort()
                raise
        if tap.over:
            raise ConnectionResetError("closed during the handshake")
        try:
            yield tap
        finally:
            tap.close()
