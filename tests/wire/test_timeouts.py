"""Nobody may take for ever: each deadline of the routes file, and what is seen of it outside."""

import asyncio
import ssl
from asyncio import StreamWriter
from typing import Any

import aiohttp
import pytest
from rig import GET, serving

from broker.listener import timeouts
from broker.testing.raw.client import RawClient
from broker.testing.raw.reader import RawReader, read_head, read_request

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
SOON = 8.0
POST = b"POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n"


def listener(**timeouts: str) -> dict[str, Any]:
    return {"timeouts": timeouts}


async def silent(reader: RawReader, _: StreamWriter) -> None:
    await read_request(reader)
    await reader.some()


@pytest.mark.parametrize("sent", [b"", b"\x16\x03\x01"])
async def test_a_handshake_that_stalls_is_cut(sent: bytes) -> None:
    async with asyncio.timeout(SOON), serving(OK, listener=listener(handshake="100ms")) as rig:
        async with RawClient(rig.port) as caller:
            await caller.send(sent)
            assert await caller.recv_until_close() == b""
        assert (await rig.call()).status == 200


async def test_a_head_that_trickles_is_a_408() -> None:
    async with asyncio.timeout(SOON), serving(OK, listener=listener(head="200ms")) as rig, rig.caller() as caller:
        await caller.send(b"GET / HTTP/1.1\r\n")
        answer = await caller.recv_response()
        assert answer.status == 408
        assert answer.headers("broker-error") == [b"request_timeout"]
        assert answer.headers("connection") == [b"close"]
    assert not rig.upstream.connections


@pytest.mark.parametrize("kind", [b"Content-Length: 100\r\n\r\nabc", b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"])
async def test_a_body_that_stalls_is_a_408_and_never_complete_upstream(kind: bytes) -> None:
    async with asyncio.timeout(SOON), serving(OK, listener=listener(body="200ms")) as rig:
        answer = await rig.call(b"POST /x HTTP/1.1\r\nHost: localhost\r\n" + kind)
        assert answer.status == 408
        assert answer.headers("broker-error") == [b"request_timeout"]
        assert not rig.upstream.requests


async def test_a_body_below_the_minimum_rate_is_a_408(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timeouts, "RATE_WINDOW", 0.3)
    slow = {"limits": {"body_rate": 1000}}

    async def trickle(caller: RawClient) -> None:
        await caller.send(POST)
        for _ in range(50):
            await caller.send(b"x")
            await asyncio.sleep(0.05)

    async with asyncio.timeout(SOON), serving(OK, listener=slow) as rig, rig.caller() as caller:
        trickling = asyncio.create_task(trickle(caller))
        assert (await caller.recv_response()).status == 408
        trickling.cancel()
        await asyncio.gather(trickling, return_exceptions=True)


async def test_an_idle_connection_is_closed_with_a_goodbye() -> None:
    async with asyncio.timeout(SOON), serving(OK, listener=listener(idle="100ms")) as rig, rig.caller() as caller:
        await caller.send(GET)
        assert (await caller.recv_response()).status == 200
        assert await caller.reader.some() == b""


async def test_a_caller_that_does_not_read_is_cut_and_the_upstream_freed() -> None:
    freed = asyncio.Event()

    async def script(reader: RawReader, writer: StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        try:
            while True:
                writer.write(b"x" * 65536)
                await writer.drain()
        except OSError:
            freed.set()

    async with asyncio.timeout(SOON), serving(script, listener=listener(write="200ms")) as rig, rig.caller() as caller:
        await caller.send(GET)
        await freed.wait()
        assert not (await caller.recv_response()).complete


async def test_an_upstream_that_does_not_take_the_request_is_a_504() -> None:
    async def script(reader: RawReader, _: StreamWriter) -> None:
        await read_head(reader)
        await done.wait()

    async def push() -> None:
        while True:
            await caller.send(b"x" * 65536)

    done = asyncio.Event()
    slow = {"timeouts": {"write": "200ms"}}
    async with asyncio.timeout(SOON), serving(script, upstream=slow) as rig, rig.caller() as caller:
        await caller.send(POST.replace(b"100", b"100000000"))
        pushing = asyncio.create_task(push())
        answer = await caller.recv_response()
        assert answer.status == 504
        assert answer.headers("broker-error") == [b"upstream_timeout"]
        pushing.cancel()
        await asyncio.gather(pushing, return_exceptions=True)
        done.set()


async def test_the_time_for_the_answer_counts_from_the_end_of_the_request() -> None:
    async def script(reader: RawReader, writer: StreamWriter) -> None:
        await read_request(reader)
        await asyncio.sleep(0.3)
        writer.write(OK)
        await reader.some()

    slow = {"timeouts": {"first_byte": "500ms"}}
    async with asyncio.timeout(SOON), serving(script, upstream=slow) as rig, rig.caller() as caller:
        await caller.send(POST)
        for _ in range(4):
            await asyncio.sleep(0.1)
            await caller.send(b"x" * 25)
        assert (await caller.recv_response()).status == 200


async def test_the_deadline_of_the_route_ends_a_call_before_its_answer() -> None:
    async with asyncio.timeout(SOON), serving(silent, route={"deadline": "200ms"}) as rig:
        answer = await rig.call()
        assert answer.status == 504
        assert answer.headers("broker-error") == [b"upstream_timeout"]
        assert rig.pooled() == (0, 0)


async def test_the_deadline_of_the_route_breaks_an_answer_that_has_begun() -> None:
    async def script(reader: RawReader, writer: StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while not writer.is_closing():
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.02)

    async with asyncio.timeout(SOON), serving(script, route={"deadline": "300ms"}) as rig:
        answer = await rig.call()
        assert (answer.status, answer.complete) == (200, False)


async def test_a_connection_above_the_limit_is_refused_and_room_is_made_again() -> None:
    async with asyncio.timeout(SOON), serving(OK, listener={"limits": {"connections": 1}}) as rig:
        async with rig.caller() as caller:
            with pytest.raises((OSError, ssl.SSLError)):
                await rig.call()
            await caller.send(GET)
            assert (await caller.recv_response()).status == 200
        while rig.app.listeners["in"].connections:
            await asyncio.sleep(0.01)
        assert (await rig.call()).status == 200


async def test_plain_http_on_the_tls_port_gets_no_answer_and_harms_nobody() -> None:
    async with asyncio.timeout(SOON), serving(OK) as rig:
        async with RawClient(rig.port) as caller:
            await caller.send(GET)
            assert b"HTTP" not in await caller.recv_until_close()
        assert (await rig.call()).status == 200
    assert len(rig.upstream.requests) == 1


async def test_an_unreachable_upstream_is_a_502() -> None:
    async with asyncio.timeout(SOON), serving(OK) as rig:
        await rig.upstream.stop()
        answer = await rig.call()
    assert answer.status == 502
    assert answer.headers("broker-error") == [b"upstream_connect_failed"]


async def test_calls_are_counted_and_logged(capsys: pytest.CaptureFixture[str]) -> None:
    async with asyncio.timeout(SOON), serving([OK, b"HTTP/1.1 2000 X\r\nContent-Length: 0\r\n\r\n"]) as rig:
        await rig.call()
        await rig.call(GET.replace(b"/thing", b"/thing?key=hush"))
        assert rig.app.admin is not None
        host, port = rig.app.admin.address
        async with aiohttp.ClientSession() as session, session.get(f"http://{host}:{port}/metrics") as answer:
            text = await answer.text()
    assert 'broker_requests_total{method="GET",route="all",status="200"} 1.0' in text
    assert 'broker_requests_total{method="GET",route="all",status="502"} 1.0' in text
    assert 'broker_errors_total{code="upstream_protocol_error",route="all"} 1.0' in text
    assert 'broker_requests_in_flight{route="all"} 0.0' in text
    out = capsys.readouterr().out
    assert out.count('"event":"access"') == 2
    assert '"status":200,' in out
    assert '"code":"upstream_protocol_error"' in out
    assert "hush" not in out + text
