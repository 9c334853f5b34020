"""What belongs to a connection goes when it ends: the garbage collector, which stops all calls, has nothing to do."""

import asyncio
import gc
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, TypeAlias

import pytest

from broker.core.exchange import Exchange
from broker.http1.request_parser import RequestParser
from broker.http1.response_parser import ResponseParser
from broker.listener.connection import ServerConnection
from broker.testing.raw import RawUpstream
from broker.tls.openssl import OpenSslEngine
from broker.upstream.connection import UpstreamConnection

Broker: TypeAlias = Any
"""What the fixture `broker` starts."""
StartBroker = Callable[..., Awaitable[Broker]]
GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc"
KINDS = (ServerConnection, UpstreamConnection, RequestParser, ResponseParser, OpenSslEngine, Exchange)
PATIENCE = 5.0


@pytest.fixture(autouse=True)
def no_collector() -> Iterator[None]:
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
