"""Reading HTTP/1.1 messages without changing a byte of them."""

from asyncio import IncompleteReadError
from collections.abc import Awaitable, Callable

from broker.testing.raw import framing

_CHUNK = 65536


class RawReader:
    """A buffered reader that keeps every byte it was given in `received`."""

    def __init__(self, read: Callable[[int], Awaitable[bytes]]) -> None:
        """Read through `read`, which returns b"" at an orderly end."""
        self._read = read
        self.position = 0
        self.received = bytearray()
        self.requests: list[bytes] = []

    async def until(self, separator: bytes) -> bytes:
        """Bytes up to and including the separator."""
        while (found := self.received.find(separator, self.position)) < 0:
            await self._fill()
        return self._take(found + len(separator) - self.position)

    async def exactly(self, count: int) -> bytes:
        """Exactly so many bytes."""
        while len(self.received) - self.position < count:
            await self._fill()
        return self._take(count)

    async def some(self) -> bytes:
        """Whatever has arrived or arrives next; b"" at the end."""
        if len(self.received) == self.position:
            self.received += await self._read(_CHUNK)
        return self._take(len(self.received) - self.position)

    def rest(self) -> bytes:
        """What has arrived and was not taken, without waiting."""
        return self._take(len(self.received) - self.position)

    async def _fill(self) -> None:
        data = await self._read(_CHUNK)
        if not data:
            raise IncompleteReadError(bytes(self.received[self.position :]), None)
        self.received += data

    def _take(self, count: int) -> bytes:
        start, self.position = self.position, self.position + count
        return bytes(self.received[start : self.position])


async def read_head(reader: RawReader) -> bytes:
    """A message's head with its blank line; b"" when the peer closed before the first byte."""
    try:
        return await reader.until(b"\r\n\r\n")
    except IncompleteReadError as error:
        if error.partial:
            raise
        return b""


async def read_body(reader: RawReader, head: bytes) -> bytes:
    """A request's body as it was framed: chunk sizes and trailers stay in."""
    if framing.is_chunked(head):
        return await read_chunks(reader)
    return await reader.exactly(framing.content_length(head) or 0)


async def read_request(reader: RawReader) -> bytes:
    """One request, head and body; b"" when the peer closed instead. Recorded in `reader.requests`."""
    head = await read_head(reader)
    if not head:
        return b""
    request = head + await read_body(reader, head)
    reader.requests.append(request)
    return request


async def read_chunks(reader: RawReader) -> bytes:
    """A chunked body as raw bytes, through the blank line that ends it."""
    start = reader.position
    while size := framing.chunk_size(await reader.until(b"\r\n")):
        await reader.exactly(size + 2)
    while await reader.until(b"\r\n") != b"\r\n":
        pass
    return bytes(reader.received[start : reader.position])
