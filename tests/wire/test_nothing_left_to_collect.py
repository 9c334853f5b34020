"""What belongs to a connection goes when it ends: the garbage collector, which stops all calls, has nothing to do."""

import asyncio
import gc
import logging
from asyncio import StreamWriter
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, TypeAlias

import pytest

from broker.core.body import Body
from broker.core.exchange import Exchange
from broker.http1.request_parser import RequestParser
from broker.http1.response_parser import ResponseParser
from broker.listener.connection import ServerConnection
from broker.testing.raw import RawUpstream
from broker.testing.raw.reader import RawReader, read_request
from broker.tls.openssl import OpenSslEngine
from broker.upstream.connection import UpstreamConnection
from broker.upstream.idempotent_call import KeyedCall

Broker: TypeAlias = Any
"""What the fixture `broker` starts."""
StartBroker = Callable[..., Awaitable[Broker]]
GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc"
KEYED = b"POST / HTTP/1.1\r\nHost: localhost\r\nIdempotency-Key: %s\r\nContent-Length: 3\r\n\r\nabc"
KINDS = (ServerConnection, UpstreamConnection, RequestParser, ResponseParser, OpenSslEngine, Exchange, Body, KeyedCall)
PATIENCE = 5.0


@pytest.fixture(autouse=True)
def no_collector(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    # What was logged is kept for the test's report, with the errors in it.
    caplog.set_level(logging.CRITICAL, "broker")
    gc.collect()
    gc.disable()
    yield
    gc.enable()


async def left() -> dict[str, int]:
    """What is still there of calls and connections, once all that was under way has ended."""
    counts: dict[str, int] = {}
    for _ in range(int(PATIENCE / 0.05)):
        alive = [each for each in gc.get_objects() if isinstance(each, KINDS)]
        counts = {kind.__name__: n for kind in KINDS if (n := sum(isinstance(each, kind) for each in alive))}
        if not counts:
            break
        del alive
        await asyncio.sleep(0.05)
    return counts


@pytest.mark.parametrize(
    "request_bytes", [b"", GET, POST, b"GET / HTTP/1.1\r\nHo"], ids=["none", "GET", "POST", "part"]
)
async def test_a_connection_that_ended_is_gone(
    broker: StartBroker, upstream: RawUpstream, request_bytes: bytes
) -> None:
    running = await broker(upstream.port, upstream={"pool": {"idle": 0}})
    async with running.client() as caller:
        if request_bytes:
            await caller.send(request_bytes)
        if request_bytes.endswith(b"abc") or request_bytes == GET:
            assert (await caller.recv_response()).status == 200
    assert await left() == {}


EMPTY = b"HTTP/1.1 204 No Content\r\n\r\n"
BROKEN = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"
LARGE = b"HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n" + bytes(300_000)


async def keyed(running: Broker, key: bytes) -> None:
    async with asyncio.timeout(PATIENCE), running.client() as caller:
        await caller.send(KEYED % key)
        await caller.recv_response("POST")


async def hang_up(running: Broker, until: asyncio.Event) -> None:
    async with asyncio.timeout(PATIENCE), running.client() as caller:
        await caller.send(KEYED % b"left")
        await until.wait()
        await caller.abort()


@pytest.mark.parametrize("answer", [None, EMPTY, LARGE, BROKEN, b""], ids=["200", "204", "large", "broken", "none"])
async def test_a_call_with_a_key_is_gone_but_for_its_answer(broker: StartBroker, answer: bytes | None) -> None:
    async def ends(reader: RawReader, writer: StreamWriter) -> None:
        await read_request(reader)
        writer.write(answer or b"")
        await writer.drain()

    script = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok" if answer is None else ends
    async with RawUpstream(script) as service:
        running = await broker(service.port, upstream={"pool": {"idle": 0}}, idempotency_keys={"answer": "4KiB"})
        for key in (b"one", b"two"):
            await keyed(running, key)
        assert await left() == {}


@pytest.mark.parametrize("rest", [EMPTY, LARGE, b""], ids=["204", "large", "late"])
async def test_a_call_that_went_on_alone_is_gone(broker: StartBroker, rest: bytes) -> None:
    asked, go = asyncio.Event(), asyncio.Event()

    async def script(reader: RawReader, writer: StreamWriter) -> None:
        await read_request(reader)
        asked.set()
        await go.wait()
        writer.write(rest)
        await reader.some()

    async with RawUpstream(script) as service:
        running = await broker(
            service.port,
            upstream={"pool": {"idle": 0}},
            route={"deadline": "500ms"},
            idempotency_keys={"answer": "4KiB"},
        )
        await hang_up(running, asked)
        alone = running.app._compiled.idempotency_keys.alone
        async with asyncio.timeout(PATIENCE):
            while not alone:
                await asyncio.sleep(0.005)
            go.set()
            await alone.over()
        assert await left() == {}
