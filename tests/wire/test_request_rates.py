"""How many requests an address may make: asked when a head is complete, before anything else is looked at."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import yaml

from broker.testing.raw import RawResponse, RawUpstream

Broker: TypeAlias = Any
"""What the fixture `broker` starts."""
StartBroker = Callable[..., Awaitable[Broker]]
GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\n"
A, B = "127.0.0.2", "127.0.0.3"
TWO = {"rate_per_address": "2/h burst 2"}


async def call(caller: Any, request: bytes = GET) -> RawResponse:
    await caller.send(request)
    answer: RawResponse = await caller.recv_response()
    return answer


def from_proxy(address: bytes | None) -> bytes:
    told = b"" if address is None else b"X-Forwarded-For: " + address + b"\r\n"
    return GET.replace(b"\r\n\r\n", b"\r\n" + told + b"\r\n")


async def change(broker: Broker, **parts: Any) -> None:
    """Reload with other parts of the file."""
    path = broker.app._path
    path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), **parts}))
    assert (await broker.app.reload("test")).outcome == "success"


async def test_a_request_above_the_rate_is_a_429_and_the_next_one_is_unharmed(
    broker: StartBroker, upstream: RawUpstream
) -> None:
    running = await broker(upstream.port, limits=TWO)
    async with running.client(source=A) as caller:
        assert [(await call(caller)).status for _ in range(2)] == [200, 200]
        for request in (GET, POST + b"abc"):
            refused = await call(caller, request)
            assert refused.status == 429
            assert refused.headers("broker-error") == [b"rate_limited"]
            assert 1700 <= int(refused.headers("retry-after")[0]) <= 1800
            assert not refused.headers("connection")
        assert (await running.ask(GET, source=A)).status == 429
        assert (await running.ask(GET, source=B)).status == 200
        await change(running, limits={})
        assert (await call(caller)).status == 200
    assert len(upstream.requests) == 4
    assert running.app.tallies.routes["-"].errors == {"rate_limited": 3}


async def test_who_waits_as_long_as_told_is_let_through(broker: StartBroker, upstream: RawUpstream) -> None:
    running = await broker(upstream.port, limits={"rate_per_address": "1/s"})
    async with running.client() as caller:
        while (refused := await call(caller)).status == 200:
            pass
        await asyncio.sleep(int(refused.headers("retry-after")[0]))
        assert (await call(caller)).status == 200


async def test_pipelined_requests_count_each(broker: StartBroker, upstream: RawUpstream) -> None:
    running = await broker(upstream.port, limits=TWO)
    async with running.client() as caller:
        await caller.send(GET + (POST + b"abc") * 2 + GET)
        assert [(await caller.recv_response()).status for _ in range(4)] == [200, 200, 429, 429]


async def test_a_refused_request_whose_body_has_not_come_ends_the_connection(
    broker: StartBroker, upstream: RawUpstream
) -> None:
    running = await broker(upstream.port, limits={"rate_per_address": "1/h"})
    async with running.client() as caller:
        await call(caller)
        refused = await call(caller, POST.replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n"))
        assert (refused.status, refused.interim) == (429, [])
        assert refused.headers("connection") == [b"close"]
        assert await caller.recv_until_close() == b""


async def test_no_proof_is_looked_at_above_the_rate(broker: StartBroker, upstream: RawUpstream) -> None:
    callers = {"fno": {"type": "api_key", "header": "X-Api-Key", "key": "env:KEY"}}
    running = await broker(upstream.port, limits=TWO, callers=callers, env={"KEY": "right"}, route={"callers": ["fno"]})
    wrong, right = (GET.replace(b"\r\n\r\n", b"\r\nX-Api-Key: %b\r\n\r\n" % key) for key in (b"wrong", b"right"))
    statuses = [(await running.ask(request)).status for request in (wrong, wrong, wrong, right)]
    assert statuses == [401, 401, 429, 429]
    assert not upstream.requests


async def test_behind_a_trusted_proxy_those_count_that_it_names(broker: StartBroker, upstream: RawUpstream) -> None:
    running = await broker(
        upstream.port, limits={"rate_per_address": "1/h"}, listener={"trusted_proxies": [A, "10.0.0.0/8"]}
    )
    asked = [b"203.0.113.1", b"203.0.113.1", b"203.0.113.2", b"203.0.113.1, 10.0.0.1", None, None, b"10.0.0.1", b"?"]
    async with running.client(source=A) as proxy:
        statuses = [(await call(proxy, from_proxy(address))).status for address in asked]
    assert statuses == [200, 429, 200, 429, 200, 200, 200, 200]
    forged = [(await running.ask(from_proxy(address), source=B)).status for address in (b"192.0.2.1", b"192.0.2.2")]
    assert forged == [200, 429]
