"""A client that sends exact bytes and keeps the exact bytes that come back."""

import asyncio
import ssl
from asyncio import IncompleteReadError
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Self

from broker.testing import contexts
from broker.testing.raw import framing
from broker.testing.raw.reader import RawReader, read_chunks, read_head
from broker.testing.raw.tls import TlsStream


@dataclass
class RawResponse:
    """A response as it arrived."""

    head: bytes
    body: bytes = b""
    """The content, with chunking undone."""
    raw: bytes = b""
    """Head and body as sent."""
    complete: bool = True
    """False when the connection broke before the body's end."""
    interim: list[bytes] = field(default_factory=list)
    """Heads of the 1xx responses before this one."""

    @property
    def status_line(self) -> bytes:
        """The first line, without its line end."""
        return self.head.partition(b"\r\n")[0]

    @property
    def status(self) -> int:
        """The status code."""
        return framing.status(self.head)

    @property
    def header_lines(self) -> list[bytes]:
        """The header lines as sent, in order."""
        return framing.header_lines(self.head)

    def headers(self, name: str) -> list[bytes]:
        """Every value of a header, in order."""
        return framing.headers(self.head, name.encode())


class RawClient:
    """One connection, over TLS when given a `ca` (PEM) or a context. Use it with `async with`."""

    def __init__(
        self,
        port: int,
        *,
        host: str = "127.0.0.1",
        ca: str | None = None,
        context: ssl.SSLContext | None = None,
        server_hostname: str | None = "localhost",
        alpn: Sequence[str] = (),
        identity: contexts.Identity | None = None,
        source: str | None = None,
    ) -> None:
        """Prepare; `identity` is a client certificate, and a context given whole overrides the rest.

        `source`: the address that the connection comes from, such as another one of loopback.
        """
        self._address = host, port
        self._source = None if source is None else (source, 0)
        self._server_hostname = server_hostname
        self._context = context
        if ca and context is None:
            self._context = contexts.client_context(ca, alpn=alpn, identity=identity)
        self.tls: ssl.SSLObject | None = None

    async def __aenter__(self) -> Self:
        """Connect and shake hands."""
        stream, self._writer = await asyncio.open_connection(*self._address, local_addr=self._source)
        self._tls = TlsStream(stream, self._writer) if self._context else None
        try:
            if self._tls and self._context:
                self.tls = await self._tls.handshake(self._context, self._server_hostname)
        except BaseException:
            await self.abort()
            raise
        self.reader = RawReader(self._tls.read if self._tls else stream.read)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close, whatever state the connection is in."""
        await self.close()

    @property
    def local_port(self) -> int:
        """The port this connection comes from."""
        port: int = self._writer.get_extra_info("sockname")[1]
        return port

    async def send(self, data: bytes) -> None:
        """Send exactly these bytes."""
        if self._tls:
            await self._tls.write(data)
        else:
            self._writer.write(data)
            await self._writer.drain()

    async def recv_response(self, method: str = "GET", *, interim: bool = False) -> RawResponse:
        """Read one response. 1xx ones are kept aside in `interim`, or returned when asked for.

        Raises IncompleteReadError or an OSError when the connection ends before the head does.
        """
        before: list[bytes] = []
        while framing.status(head := await self._head()) < 200 and not interim:
            before.append(head)
        response = RawResponse(head, raw=head, interim=before)
        if framing.has_body(head, method):
            await self._body(response)
        return response

    async def recv_until_close(self) -> bytes:
        """Everything until the peer closes, in whatever way."""
        received = b""
        with suppress(OSError):
            while data := await self.reader.some():
                received += data
        return received

    async def close(self) -> None:
        """Say goodbye and close."""
        with suppress(OSError):
            if self._tls and self.tls and not self._writer.is_closing():
                await self._tls.say_goodbye()
        self._writer.close()
        with suppress(OSError):
            await self._writer.wait_closed()

    async def abort(self) -> None:
        """Hang up without a goodbye."""
        self._writer.transport.abort()
        with suppress(OSError):
            await self._writer.wait_closed()

    async def _head(self) -> bytes:
        if head := await read_head(self.reader):
            return head
        raise IncompleteReadError(b"", None)

    async def _body(self, response: RawResponse) -> None:
        start = self.reader.position
        try:
            await self._skip_body(response.head)
        except (IncompleteReadError, OSError):
            response.complete = False
            self.reader.rest()
        raw = bytes(self.reader.received[start : self.reader.position])
        response.raw += raw
        response.body = framing.decode_chunks(raw) if framing.is_chunked(response.head) else raw

    async def _skip_body(self, head: bytes) -> None:
        if framing.is_chunked(head):
            await read_chunks(self.reader)
        elif (length := framing.content_length(head)) is not None:
            await self.reader.exactly(length)
        else:
            while await self.reader.some():
                pass
