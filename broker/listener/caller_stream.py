"""What the pipeline sees of a caller's connection: who is at its other end, and how answers go there."""

import asyncio

from broker.core.body import Body
from broker.core.exchange import Closable, Exchange
from broker.http1.writer import BodyWriter
from broker.listener.certificates import ServerEngine
from broker.listener.host import Host
from broker.tls.stream import SecureStream

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class CallerStream(SecureStream):
    """A caller's connection, but for the order of its requests and the time that they may take."""

    __slots__ = ("_host", "_writer", "peer", "peer_trusted", "pins", "tls")

    def __init__(self, host: Host, engine: ServerEngine | None) -> None:
        super().__init__(engine)
        self._host = host
        self._writer: BodyWriter | None = None
        self.pins: dict[str, Closable] | None = None
        self.peer = ""
        self.peer_trusted = False
        self.tls = engine is not None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        address = transport.get_extra_info("peername")
        self.peer = address[0] if address else ""
        self.peer_trusted = self._host.trusts(self.peer)
        super().connection_made(transport)

    def writable(self) -> None:
        if self._writer is not None:
            self._writer.writable()

    # Who is there.

    @property
    def peer_certificate(self) -> bytes | None:
        return self._engine.peer_certificate() if self._engine is not None else None

    def trusts(self, address: str) -> bool:
        return self._host.trusts(address)

    def pin(self, name: str, what: Closable) -> None:
        pins = self.pins = self.pins or {}
        before = pins.get(name)
        pins[name] = what
        if before is not None:
            before.close()

    # What goes back.

    def send_continue(self) -> None:
        self.send(CONTINUE)

    def reply(self, exchange: Exchange, head: bytes, body: bytes) -> None:
        exchange.responded = True
        exchange.bytes_out = len(body)
        self.send(head + body if body else head)

    def reply_stream(self, exchange: Exchange, head: bytes, body: Body, chunked: bool) -> "asyncio.Future[None]":
        exchange.responded = True
        sent: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def done() -> None:
            exchange.bytes_out = body.size
            if not sent.done():
                sent.set_result(None)

        def broken(error: Exception) -> None:
            exchange.bytes_out = body.size
            if not sent.done():
                sent.set_exception(error)

        self._writer = BodyWriter(self, body, chunked=chunked, done=done, broken=broken)
        self.send(head)
        body.drain(self._writer)
        return sent
