"""An upstream that dies or stalls is seen at once; a caller that leaves takes its call along."""

import asyncio
import socket
import ssl
import struct
from asyncio import StreamWriter

import pytest
from rig import GET, pki, send_fin, serving

from broker.testing import contexts
from broker.testing.raw.client import RawClient, RawResponse
from broker.testing.raw.reader import RawReader, read_head, read_request

HEADS = {
    "Content-Length": (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n", b"some bytes"),
    "chunked": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"a\r\nsome bytes\r\n"),
    "close-delimited": (b"HTTP/1.1 200 OK\r\n\r\n", b"some bytes"),
}
GET10 = GET.replace(b"1.1", b"1.0")
SOON = 5.0


def reset(writer: StreamWriter) -> None:
    """Hang up with an RST."""
    raw: socket.socket = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def assert_broken(caller: RawClient, answer: RawResponse) -> None:
    """No end of a body was seen, and TLS ended without close_notify."""
    assert answer.status == 200
    assert answer.body == b"some bytes"
    assert not answer.complete
    with pytest.raises((ConnectionError, ssl.SSLError)):
        await caller.reader.some()


@pytest.mark.parametrize("request_bytes", [GET, GET10], ids=["1.1", "1.0"])
@pytest.mark.parametrize("framing", HEADS)
async def test_an_upstream_that_resets_mid_body_is_a_broken_transfer_at_once(
    framing: str, request_bytes: bytes
) -> None:
    head, part = HEADS[framing]

    async def script(reader: RawReader, writer: StreamWriter) -> None:
        await read_request(reader)
        writer.write(head + part)
        await gate.wait()
        reset(writer)

    gate = asyncio.Event()
    async with asyncio.timeout(SOON), serving(script) as rig, rig.caller() as caller:
        await caller.send(request_bytes)
        await caller.reader.until(b"some bytes")
        caller.reader.position = 0
        gate.set()
        await assert_broken(caller, await caller.recv_response())


@pytest.mark.parametrize("framing", ["Content-Length", "chunked"])
async def test_an_upstream_that_closes_mid_body_is_a_broken_transfer_at_once(framing: str) -> None:
    async def script(reader: RawReader, writer: StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"".join(HEADS[framing]))
        await gate.wait()

    gate = asyncio.Event()
    async with asyncio.timeout(SOON), serving(script) as rig, rig.caller() as caller:
        await caller.send(GET)
        await caller.reader.until(b"some bytes")
        caller.reader.position = 0
        gate.set()
        await assert_broken(caller, await caller.recv_response())


@pytest.mark.parametrize("request_bytes", [GET, GET10], ids=["1.1", "1.0"])
@pytest.mark.parametrize("goodbye", [True, False])
async def test_over_modern_tls_only_close_notify_ends_a_close_delimited_body(
    goodbye: bool, request_bytes: bytes
) -> None:
    async def script(reader: RawReader, writer: StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"".join(HEADS["close-delimited"]))
        await gate.wait()
        if not goodbye:
            # FIN below TLS: what a cut looks like when no RST comes.
            send_fin(writer)
            await reader.some()

    gate = asyncio.Event()
    tls = contexts.server_context(pki()[1])
    async with asyncio.timeout(SOON), serving(script, upstream_tls=tls) as rig, rig.caller() as caller:
        await caller.send(request_bytes)
        await caller.reader.until(b"some bytes")
        caller.reader.position = 0
        gate.set()
        answer = await caller.recv_response()
        if goodbye:
            assert answer.complete
            assert answer.body == b"some bytes"
        else:
            await assert_broken(caller, answer)


async def test_an_upstream_that_stalls_before_its_head_is_a_504() -> None:
    async def script(reader: RawReader, _: StreamWriter) -> None:
        await read_request(reader)
        await reader.some()

    slow = {"timeouts": {"first_byte": "100ms"}}
    async with asyncio.timeout(SOON), serving(script, upstream=slow) as rig:
        answer = await rig.call()
        assert answer.status == 504
        assert answer.headers("broker-error") == [b"upstream_timeout"]
        assert rig.upstream.connections[0].requests
        assert rig.pooled() == (0, 0)


@pytest.mark.parametrize("framing", HEADS)
async def test_an_upstream_that_stalls_in_its_body_is_a_broken_transfer(framing: str) -> None:
    async def script(reader: RawReader, writer: StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"".join(HEADS[framing]))
        await reader.some()

    slow = {"timeouts": {"idle": "100ms"}}
    async with asyncio.timeout(SOON), serving(script, upstream=slow) as rig, rig.caller() as caller:
        await caller.send(GET)
        await assert_broken(caller, await caller.recv_response())


@pytest.mark.parametrize("how", ["close", "abort"])
@pytest.mark.parametrize("when", ["before the head", "in the body"])
async def test_a_caller_that_leaves_cancels_the_upstream_request(when: str, how: str) -> None:
    arrived, left = asyncio.Event(), asyncio.Event()

    async def script(reader: RawReader, writer: StreamWriter) -> None:
        await read_request(reader)
        if when == "in the body":
            writer.write(b"".join(HEADS["Content-Length"]))
        arrived.set()
        try:
            await reader.some()
        except ConnectionResetError:
            left.set()

    async with asyncio.timeout(SOON), serving(script) as rig:
        async with rig.caller() as caller:
            await caller.send(GET)
            await arrived.wait()
            if when == "in the body":
                await caller.reader.until(b"some bytes")
            await getattr(caller, how)()
        await left.wait()
        assert len(rig.upstream.requests) == 1
        assert rig.pooled() == (0, 0)


@pytest.mark.parametrize(
    "lines",
    [b"Content-Length: 100\r\n\r\nsome bytes", b"Transfer-Encoding: chunked\r\n\r\na\r\nsome bytes\r\n"],
)
async def test_a_request_that_breaks_off_never_looks_complete_to_the_upstream(lines: bytes) -> None:
    arrived, left = asyncio.Event(), asyncio.Event()

    async def script(reader: RawReader, _: StreamWriter) -> None:
        await read_head(reader)
        await reader.until(b"some bytes")
        arrived.set()
        try:
            while await reader.some() == b"\r\n":
                pass
        except ConnectionResetError:
            left.set()

    async with asyncio.timeout(SOON), serving(script) as rig:
        async with rig.caller() as caller:
            await caller.send(b"POST /x HTTP/1.1\r\nHost: localhost\r\n" + lines)
            await arrived.wait()
        await left.wait()
        assert not rig.upstream.requests
