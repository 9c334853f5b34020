"""An answer that comes before the request's body is all there: a short rest is read past, and the connection kept."""

import asyncio
from asyncio import StreamWriter
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import pytest

from broker.core.exchange import SKIPPED_MOST
from broker.listener import connection
from broker.testing.raw import RawClient, RawResponse, RawUpstream
from broker.testing.raw.reader import RawReader, read_head, read_request

Broker: TypeAlias = Any
"""What the fixture `broker` starts."""
StartBroker = Callable[..., Awaitable[Broker]]
PATIENCE = 10.0
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
GET = b"GET /a HTTP/1.1\r\nHost: localhost\r\nX-Api-Key: k\r\n\r\n"
CALLERS = {"fno": {"type": "api_key", "header": "X-Api-Key", "key": "env:WIRE_KEY"}}
ROUTES = [
    {"name": "a", "callers": ["fno"], "max_body": "600B", "match": {"path": "/a", "methods": ["GET", "POST"]}},
    {"name": "few", "rate": "1/h", "match": {"path": "/few"}},
    {"name": "down", "upstream": "down", "match": {"path": "/down"}},
]


def head(length: int = 500, path: bytes = b"/nowhere", method: bytes = b"POST", *, lines: bytes = b"") -> bytes:
    return b"%b %b HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n%b\r\n" % (method, path, length, lines)


async def start(broker: StartBroker, upstream: RawUpstream, **parts: Any) -> Broker:
    down = {"down": {"targets": ["http://127.0.0.1:9"]}}
    return await broker(upstream.port, callers=CALLERS, routes=ROUTES, env={"WIRE_KEY": "k"}, upstreams=down, **parts)


async def answer(caller: RawClient, request: bytes) -> RawResponse:
    await caller.send(request)
    return await caller.recv_response(request.partition(b" ")[0].decode())


def is_last(response: RawResponse) -> bool:
    return response.headers("connection") == [b"close"]


REFUSED = {
    "401": (head(path=b"/a"), 401),
    "404": (head(), 404),
    "405": (head(path=b"/a", method=b"PUT"), 405),
    "413": (head(601, b"/a", lines=b"X-Api-Key: k\r\n"), 413),
    "429": (head(path=b"/few"), 429),
    "502": (head(path=b"/down"), 502),
    "a HEAD": (head(method=b"HEAD"), 404),
    "an upgrade": (head(lines=b"Connection: upgrade\r\nUpgrade: h2c\r\n"), 404),
    "the longest rest": (head(SKIPPED_MOST), 404),
}


@pytest.mark.parametrize(("request_", "status"), REFUSED.values(), ids=REFUSED.keys())
async def test_a_refused_body_costs_no_connection(
    broker: StartBroker, upstream: RawUpstream, request_: bytes, status: int
) -> None:
    running = await start(broker, upstream)
    await running.ask(b"GET /few HTTP/1.1\r\nHost: localhost\r\n\r\n")
    length = int(request_.partition(b"Content-Length: ")[2].partition(b"\r\n")[0])
    async with asyncio.timeout(PATIENCE), running.client() as caller:
        for _ in range(3):
            refused = await answer(caller, request_)
            assert (refused.status, is_last(refused)) == (status, False)
            await caller.send(b"x" * length)
        assert (await answer(caller, GET)).status == 200
    assert len(upstream.requests) == 2


KEPT_OUT = {
    "a rest that is too long": head(SKIPPED_MOST + 1),
    "chunks": b"POST /nowhere HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
    "a body that may never be sent": head(lines=b"Expect: 100-continue\r\n"),
    "HTTP/1.0": head(lines=b"Connection: keep-alive\r\n").replace(b"1.1", b"1.0"),
    "a caller that wants to leave": head(lines=b"Connection: close\r\n"),
}


@pytest.mark.parametrize("request_", KEPT_OUT.values(), ids=KEPT_OUT.keys())
async def test_what_cannot_be_read_past_ends_the_connection(
    broker: StartBroker, upstream: RawUpstream, request_: bytes
) -> None:
    running = await start(broker, upstream)
    async with asyncio.timeout(PATIENCE), running.client() as caller:
        refused = await answer(caller, request_)
        assert (refused.status, is_last(refused)) == (404, True)
        await caller.send(GET)
        assert await caller.recv_until_close() == b""
    assert upstream.connections == []


async def test_who_has_begun_to_send_waits_for_no_continue(broker: StartBroker, upstream: RawUpstream) -> None:
    running = await start(broker, upstream)
    async with asyncio.timeout(PATIENCE), running.client() as caller:
        refused = await answer(caller, head(lines=b"Expect: 100-continue\r\n") + b"x")
        assert (refused.status, is_last(refused)) == (404, False)
        assert (await answer(caller, b"x" * 499 + GET)).status == 200


@pytest.mark.parametrize("cut", [1, len(GET) - 1, len(GET), len(GET) + 1, 2 * len(GET), 3 * len(GET)])
async def test_the_rest_is_never_taken_for_a_request(broker: StartBroker, upstream: RawUpstream, cut: int) -> None:
    """A body that reads like requests, followed by two real ones, in two pieces."""
    running = await start(broker, upstream)
    real = GET.replace(b"/a", b"/a?real")
    stream = GET * 3 + real * 2
    async with asyncio.timeout(PATIENCE), running.client() as caller:
        refused = await answer(caller, head(3 * len(GET)))
        assert (refused.status, is_last(refused)) == (404, False)
        await caller.send(stream[:cut])
        await caller.send(stream[cut:])
        assert [(await caller.recv_response()).status for _ in range(2)] == [200, 200]
        await caller.send(GET.replace(b"/a", b"/nowhere"))
        assert (await caller.recv_response()).status == 404
    assert [request.partition(b" HTTP")[0] for request in upstream.requests] == [b"GET /a?real"] * 2


async def test_what_is_no_http_behind_the_rest_is_refused(broker: StartBroker, upstream: RawUpstream) -> None:
    running = await start(broker, upstream)
    async with asyncio.timeout(PATIENCE), running.client() as caller:
        assert (await answer(caller, head(3))).status == 404
        await caller.send(b"abc" + b"x y\r\n\r\n")
        refused = await caller.recv_response()
        assert (refused.status, is_last(refused)) == (400, True)
        assert await caller.recv_until_close() == b""


async def test_a_body_that_was_held_back_blocks_nothing(broker: StartBroker) -> None:
    """Its call waits for its turn, so reading stops; the call is refused, and the rest is read past."""
    free = asyncio.Event()

    async def script(reader: RawReader, writer: StreamWriter) -> None:
        while await read_request(reader):
            await free.wait()
            writer.write(OK)

    one = {"max_concurrency": 1, "queue": {"size": 1, "wait": "300ms"}}
    async with RawUpstream(script) as upstream:
        running = await broker(upstream.port, upstream=one)
        async with asyncio.timeout(PATIENCE), running.client() as first, running.client() as caller:
            await first.send(GET)
            while not upstream.connections:
                await asyncio.sleep(0.01)
            refused = await answer(caller, head(120_000) + b"x" * 120_000)
            assert (refused.status, is_last(refused)) == (503, False)
            free.set()
            assert (await first.recv_response()).status == 200
            assert (await answer(caller, GET)).status == 200


@pytest.mark.parametrize("status", [b"403 No\r\nContent-Length: 2\r\n\r\nno", b"204 Done\r\n\r\n"])
async def test_an_early_answer_of_the_upstream_costs_its_connection_only(broker: StartBroker, status: bytes) -> None:
    async def script(reader: RawReader, writer: StreamWriter) -> None:
        if (await read_head(reader)).startswith(b"POST"):
            await reader.exactly(100)
            writer.write(b"HTTP/1.1 " + status)
            await reader.some()
        else:
            writer.write(OK)

    async with RawUpstream(script) as upstream:
        running = await broker(upstream.port)
        async with asyncio.timeout(PATIENCE), running.client() as caller:
            early = await answer(caller, head(500) + b"x" * 100)
            assert (early.status, is_last(early)) == (int(status[:3]), False)
            await caller.send(b"x" * 400)
            assert (await answer(caller, GET)).status == 200
    assert [one.open for one in upstream.connections] == [False, False]


async def test_a_body_that_was_too_late_ends_the_connection(broker: StartBroker, upstream: RawUpstream) -> None:
    running = await broker(upstream.port, listener={"timeouts": {"body": "100ms"}})
    late = await running.ask(head(500) + b"x", "POST")
    assert (late.status, is_last(late)) == (408, True)


@pytest.mark.parametrize(("body", "most", "trickle"), [("300ms", 60.0, False), ("60s", 0.3, True)])
async def test_a_rest_that_does_not_come_is_not_waited_for(
    broker: StartBroker, upstream: RawUpstream, monkeypatch: pytest.MonkeyPatch, body: str, most: float, trickle: bool
) -> None:
    monkeypatch.setattr(connection, "REST", most)
    running = await start(broker, upstream, listener={"timeouts": {"body": body}})

    async def send_on(caller: RawClient) -> None:
        while trickle:
            await caller.send(b"x")
            await asyncio.sleep(0.02)

    async with asyncio.timeout(PATIENCE), running.client() as caller:
        assert (await answer(caller, head(SKIPPED_MOST))).status == 404
        sending = asyncio.create_task(send_on(caller))
        assert await caller.recv_until_close() == b""
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
    async with asyncio.timeout(PATIENCE):
        await running.app.listeners["main"].drained()


async def test_a_drain_waits_for_no_rest(broker: StartBroker, upstream: RawUpstream) -> None:
    running = await start(broker, upstream)
    listener = running.app.listeners["main"]
    async with asyncio.timeout(PATIENCE), running.client() as waiting, running.client() as next_:
        assert not is_last(await answer(waiting, head()))
        listener.announce()
        assert is_last(await answer(next_, head()))
        listener.drain()
        assert await waiting.reader.some() == b""
        # It may still send: a reset could destroy the answer on its way.
        assert listener.connections
        assert await next_.recv_until_close() == b""
    await listener.drained()
