"""Client TLS over asyncio streams, which tells an orderly close from a cut connection."""

import asyncio
import ssl
from contextlib import suppress

_CHUNK = 65536


class TlsStream:
    """A TLS client. asyncio's own TLS hides whether the peer said goodbye before it hung up."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Speak over a connected pair; `handshake` comes first."""
        self._reader = reader
        self._writer = writer
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls: ssl.SSLObject | None = None

    async def handshake(self, context: ssl.SSLContext, server_hostname: str | None) -> ssl.SSLObject:
        """Shake hands; a context that checks names needs a server_hostname."""
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=server_hostname)
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                await self._flush()
                await self._feed()
            except ssl.SSLError:
                await self._flush()
                raise
            else:
                await self._flush()
                return self._tls

    async def read(self, count: int) -> bytes:
        """Some bytes; b"" after close_notify; SSLEOFError when the peer left without it."""
        assert self._tls
        while True:
            try:
                return self._tls.read(count)
            except ssl.SSLWantReadError:
                await self._flush()
                await self._feed()
            except ssl.SSLZeroReturnError:
                return b""

    async def write(self, data: bytes) -> None:
        """Send bytes."""
        assert self._tls
        if data:
            self._tls.write(data)
            await self._flush()

    async def say_goodbye(self) -> None:
        """Send close_notify without waiting for the peer's."""
        assert self._tls
        with suppress(ssl.SSLError):
            self._tls.unwrap()
        await self._flush()

    async def _feed(self) -> None:
        data = await self._reader.read(_CHUNK)
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()

    async def _flush(self) -> None:
        if data := self._outgoing.read():
            self._writer.write(data)
            await self._writer.drain()
