"""What the broker takes of a body that the other hop does not want yet is bounded, whatever the hops are."""

import asyncio
import socket
from asyncio import StreamWriter
from typing import Any

import pytest
from rig import GET, pki, serving

from broker.testing.contexts import server_context
from broker.testing.raw.reader import RawReader, read_head
from broker.tls.stream import SecureStream

MIB = 1 << 20
SIZE = 64 * MIB
PIECE = bytes(range(256)) * 1024
MOST = 2 * MIB
"""Bytes taken from the sender, those in the kernel's buffers towards the other side included."""
BUFFER = 64 * 1024
PATIENCE = 30.0


@pytest.fixture(autouse=True)
def small_buffers(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel holds little for the broker: else its buffers would hide what the broker holds."""
    made = SecureStream.connection_made

    def with_small_buffers(stream: SecureStream, transport: asyncio.BaseTransport) -> None:
        narrow(transport.get_extra_info("socket"))
        made(stream, transport)

    monkeypatch.setattr(SecureStream, "connection_made", with_small_buffers)


def narrow(sock: Any) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)


async def settled(look: Any) -> int:
    """What `look` sees once it has stopped growing."""
    before, now = -1, 0
    while now != before or not now:
        before = now
        await asyncio.sleep(0.2)
        now = look()
    return now


def upstream_tls(wanted: bool) -> Any:
    return server_context(pki()[1]) if wanted else None


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("chunked", [False, True])
async def test_little_is_taken_of_an_answer_that_the_caller_does_not_read(tls: bool, chunked: bool) -> None:
    async def script(reader: RawReader, writer: StreamWriter) -> None:
        await read_head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\n")
        writer.write(b"Transfer-Encoding: chunked\r\n\r\n" if chunked else b"Content-Length: %d\r\n\r\n" % SIZE)
        for _ in range(SIZE // len(PIECE)):
            writer.write(b"%x\r\n%b\r\n" % (len(PIECE), PIECE) if chunked else PIECE)
            await writer.drain()

    async with (
        asyncio.timeout(PATIENCE),
        serving(script, upstream_tls=upstream_tls(tls)) as rig,
        rig.caller() as caller,
    ):
        narrow(caller._writer.get_extra_info("socket"))
        caller._writer.transport.pause_reading()
        await caller.send(GET)

        def taken() -> int:
            [connection] = rig.app.listeners["in"]._connections
            return 0 if connection._writer is None else connection._writer.size

        assert await settled(taken) < MOST


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("chunked", [False, True])
async def test_little_is_taken_of_a_request_that_the_upstream_does_not_read(tls: bool, chunked: bool) -> None:
    done = asyncio.Event()

    async def script(reader: RawReader, writer: StreamWriter) -> None:
        narrow(writer.get_extra_info("socket"))
        await read_head(reader)
        writer.transport.pause_reading()
        await done.wait()

    async def push() -> None:
        for _ in range(SIZE // len(PIECE)):
            await caller.send(b"%x\r\n%b\r\n" % (len(PIECE), PIECE) if chunked else PIECE)

    framing = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % SIZE
    async with (
        asyncio.timeout(PATIENCE),
        serving(script, upstream_tls=upstream_tls(tls)) as rig,
        rig.caller() as caller,
    ):
        await caller.send(b"POST /x HTTP/1.1\r\nHost: localhost\r\n%b\r\n\r\n" % framing)
        pushing = asyncio.create_task(push())

        def taken() -> int:
            [connection] = rig.app.listeners["in"]._connections
            return 0 if connection.arriving is None else connection.arriving.size

        assert await settled(taken) < MOST
        pushing.cancel()
        await asyncio.gather(pushing, return_exceptions=True)
        done.set()
