"""Kept connections: used again, never twice for what must happen once, never with another's bytes."""

import asyncio
import gc
import socket
from asyncio import StreamWriter

import pytest
from rig import GET, pki, send_fin, serving
from several import several

from broker.core.alarms import AlarmWheel
from broker.testing import contexts
from broker.testing.raw.reader import RawReader, read_request
from broker.tls.errors import TlsFailure
from broker.upstream.connection import UpstreamConnection
from broker.upstream.origin import UpstreamSettings

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
POST = b"POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc"
DELETE = b"DELETE /x HTTP/1.1\r\nHost: localhost\r\n\r\n"
SOON = 5.0


async def once_then_hang_up(reader: RawReader, writer: StreamWriter) -> None:
    """One answer; the next request on the connection is read and met by a close, as a stale connection does."""
    await read_request(reader)
    writer.write(OK)
    await read_request(reader)


async def test_calls_one_after_the_other_share_a_connection() -> None:
    async with serving(OK) as rig:
        for _ in range(3):
            assert (await rig.call()).body == b"ok"
        assert rig.pooled() == (1, 0)
    assert len(rig.upstream.connections) == 1


async def test_a_get_that_meets_a_stale_connection_is_tried_once_more() -> None:
    async with asyncio.timeout(SOON), serving(once_then_hang_up) as rig:
        await rig.call()
        assert (await rig.call()).body == b"ok"
    assert [len(connection.requests) for connection in rig.upstream.connections] == [2, 1]


async def test_a_get_is_sent_twice_at_most_however_many_connections_are_stale() -> None:
    together = asyncio.Barrier(2)

    async def script(reader: RawReader, writer: StreamWriter) -> None:
        await read_request(reader)
        if len(rig.upstream.connections) <= 2:
            await together.wait()
        writer.write(OK)
        await read_request(reader)

    async with asyncio.timeout(SOON), serving(script) as rig:
        await asyncio.gather(rig.call(), rig.call())
        assert (await rig.call()).body == b"ok"
    assert sorted(len(connection.requests) for connection in rig.upstream.connections) == [1, 1, 2]


async def test_nor_does_it_meet_a_stale_connection_of_another_target() -> None:
    ejection = {"failures": 1, "time": "40s"}
    async with asyncio.timeout(SOON), several(once_then_hang_up, once_then_hang_up, ejection=ejection) as rig:
        assert await rig.bodies(3) == {b"ok": 3}
        assert sum(rig.asked()) == 4
        assert rig.upstream.stats.retries == {"stale_connection": 1}
        assert rig.healthy() == [True, True]


@pytest.mark.parametrize(
    "request_bytes", [POST, POST.replace(b"POST", b"GET"), DELETE, DELETE.replace(b"DELETE", b"MERGE")]
)
async def test_what_changes_something_is_never_sent_twice(request_bytes: bytes) -> None:
    async with asyncio.timeout(SOON), serving(once_then_hang_up) as rig:
        await rig.call()
        answer = await rig.call(request_bytes)
    assert answer.status == 502
    assert answer.headers("broker-error") == [b"upstream_protocol_error"]
    assert [len(connection.requests) for connection in rig.upstream.connections] == [2]


@pytest.mark.parametrize("request_bytes", [GET, POST, DELETE])
async def test_a_connection_that_the_upstream_closed_while_idle_is_not_used(request_bytes: bytes) -> None:
    async with asyncio.timeout(SOON), serving(OK) as rig:
        await rig.call()
        rig.upstream.connections[0].writer.close()
        assert (await rig.call(request_bytes)).body == b"ok"
    assert [len(connection.requests) for connection in rig.upstream.connections] == [1, 1]


@pytest.mark.parametrize("request_bytes", [GET, POST])
@pytest.mark.parametrize("together", [True, False])
async def test_bytes_on_an_idle_connection_poison_nobody(together: bool, request_bytes: bytes) -> None:
    poison = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"

    async def script(reader: RawReader, writer: StreamWriter) -> None:
        while await read_request(reader):
            writer.write(OK + (poison if together else b""))

    async with asyncio.timeout(SOON), serving(script) as rig:
        await rig.call()
        if not together:
            rig.upstream.connections[0].writer.write(poison)
        assert (await rig.call(request_bytes)).body == b"ok"
    assert len(rig.upstream.connections) == 2


@pytest.mark.parametrize(
    ("method", "head", "kept"),
    [
        (b"HEAD", b"200 OK\r\nContent-Length: 41\r\n", False),
        (b"HEAD", b"200 OK\r\nTransfer-Encoding: chunked\r\n", False),
        (b"HEAD", b"200 OK\r\nContent-Length: 0\r\n", True),
        (b"HEAD", b"200 OK\r\n", True),
        (b"GET", b"204 No Content\r\nContent-Length: 41\r\n", False),
        (b"GET", b"204 No Content\r\n", True),
        (b"GET", b"304 Not Modified\r\nContent-Length: 41\r\n", False),
        (b"GET", b"304 Not Modified\r\nTransfer-Encoding: chunked\r\n", False),
        (b"GET", b"304 Not Modified\r\n", True),
    ],
)
async def test_a_body_that_comes_late_and_unasked_poisons_nobody(method: bytes, head: bytes, kept: bool) -> None:
    asked = asyncio.Event()

    async def script(reader: RawReader, writer: StreamWriter) -> None:
        while request := await read_request(reader):
            if request.startswith(b"GET /mine"):
                asked.set()
                await asyncio.sleep(0.05)
                writer.write(OK)
                continue
            writer.write(b"HTTP/1.1 " + head + b"\r\n")
            if not kept:
                await asked.wait()
                writer.write(OK.replace(b"ok", b"no"))

    async with asyncio.timeout(SOON), serving(script) as rig:
        await rig.call(GET.replace(b"GET", method))
        assert (await rig.call(GET.replace(b"/thing", b"/mine"))).body == b"ok"
        assert len(rig.upstream.connections) == (1 if kept else 2)


async def test_a_handshake_that_nobody_waits_for_ends_without_a_word() -> None:
    told: list[object] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: told.append(context))
    settings = UpstreamSettings(1, 1, 1, 1, require_close_notify=False, pool_idle=1, pool_size=1)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        UpstreamConnection(None, ours, settings, AlarmWheel(loop), lambda _: None).lost(None)
        UpstreamConnection(None, ours, settings, AlarmWheel(loop), lambda _: None).tls_failed(TlsFailure("CUT", "cut"))
        gc.collect()
    assert told == []


async def test_a_connection_closed_as_soon_as_it_was_made_is_a_502_at_once() -> None:
    async def script(_: RawReader, writer: StreamWriter) -> None:
        writer.transport.abort()

    async with asyncio.timeout(SOON), serving(script) as rig:
        for _ in range(5):
            assert (await rig.call()).status == 502
        assert rig.pooled() == (0, 0)


@pytest.mark.parametrize("line", [b"Connection: close", b"Connection: Close, x"])
async def test_a_connection_that_the_upstream_ends_is_not_kept(line: bytes) -> None:
    async with serving(OK.replace(b"\r\n\r\n", b"\r\n" + line + b"\r\n\r\n")) as rig, rig.caller() as caller:
        for _ in range(2):
            await caller.send(GET)
            assert (await caller.recv_response()).body == b"ok"
        assert rig.pooled() == (0, 0)
    assert len(rig.upstream.connections) == 2


async def test_an_idle_connection_expires() -> None:
    async with asyncio.timeout(SOON), serving(OK, upstream={"pool": {"idle": "100ms"}}) as rig:
        await rig.call()
        while rig.upstream.connections[0].open:
            await asyncio.sleep(0.01)
        assert rig.pooled() == (0, 0)


async def test_a_pool_that_keeps_nothing_keeps_nothing() -> None:
    async with serving(OK, upstream={"pool": {"idle": 0}}) as rig:
        for _ in range(2):
            await rig.call()
        assert rig.pooled() == (0, 0)
    assert len(rig.upstream.connections) == 2


async def test_a_stale_connection_is_known_as_such_below_tls_that_ends_without_a_goodbye() -> None:
    async def script(reader: RawReader, writer: StreamWriter) -> None:
        await read_request(reader)
        writer.write(OK)
        await read_request(reader)
        send_fin(writer)
        await reader.some()

    tls = contexts.server_context(pki()[1])
    async with asyncio.timeout(SOON), serving(script, upstream_tls=tls) as rig:
        await rig.call()
        assert (await rig.call()).body == b"ok"
    assert [len(connection.requests) for connection in rig.upstream.connections] == [2, 1]
