"""A connection that is to close, but whose caller takes nothing of what still waits for it, ends all the same."""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import pytest

from broker.testing import contexts
from broker.testing.raw import RawUpstream
from broker.tls.stream import WRITE_HIGH, SecureStream

Broker: TypeAlias = Any
"""What the fixture `broker` starts."""
StartBroker = Callable[..., Awaitable[Broker]]
PATIENCE = 10.0
BUFFER = 16 * 1024
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 250000\r\n\r\n" + b"y" * 250_000
GET = b"GET /a HTTP/1.1\r\nHost: localhost\r\n\r\n"


def connect(broker: Broker) -> tuple[socket.socket, ssl.SSLObject, ssl.MemoryBIO]:
    """A connection whose caller reads nothing after the handshake."""
    raw = socket.socket()
    raw.settimeout(PATIENCE)
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
    raw.connect(("127.0.0.1", broker.port))
    arriving, leaving = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = contexts.client_context(broker.ca).wrap_bio(arriving, leaving, server_hostname="localhost")
    while True:
        try:
            tls.do_handshake()
        except ssl.SSLWantReadError:
            raw.sendall(leaving.read())
            arriving.write(raw.recv(65536))
        else:
            raw.sendall(leaving.read())
            return raw, tls, leaving


@pytest.fixture(autouse=True)
def small_buffers(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel takes little of an answer: what is left waits in the transport, too little to block its feeder."""
    made = SecureStream.connection_made

    def with_small_buffers(stream: SecureStream, transport: asyncio.BaseTransport) -> None:
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)
        made(stream, transport)

    monkeypatch.setattr(SecureStream, "connection_made", with_small_buffers)


@pytest.mark.parametrize("how", ["broken TLS", "the end"])
async def test_in_a_head_it_is_reset(broker: StartBroker, how: str) -> None:
    async with RawUpstream(ANSWER) as upstream:
        running = await broker(upstream.port, listener={"timeouts": {"head": "500ms", "idle": "500ms"}})
        listener = running.app.listeners["main"]
        raw, tls, leaving = await asyncio.to_thread(connect, running)
        with raw:
            tls.write(GET)
            raw.sendall(leaving.read())
            await asyncio.sleep(0.3)
            (only,) = listener._connections
            assert 0 < only.waiting < WRITE_HIGH
            tls.write(GET[:9])
            raw.sendall(leaving.read())
            await asyncio.sleep(0.1)
            if how == "the end":
                raw.shutdown(socket.SHUT_WR)
            else:
                raw.sendall(b"this is no TLS record" * 9)
            await asyncio.wait_for(listener.drained(), PATIENCE)
