"""How many requests an address may make: asked when a head is complete, before anything else is looked at."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import pytest
import yaml

from broker.testing.raw import RawResponse, RawUpstream

Broker: TypeAlias = Any
"""What the fixture `broker` starts."""
StartBroker = Callable[..., Awaitable[Broker]]
GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\n"
A, B = "127.0.0.2", "127.0.0.3"
TWO = {"rate_per_address": "2/h burst 2"}
XFF, FWD = b"X-Forwarded-For: ", b"Forwarded: for="


async def call(caller: Any, request: bytes = GET) -> RawResponse:
    await caller.send(request)
    answer: RawResponse = await caller.recv_response()
    return answer


def told(*lines: bytes) -> bytes:
    return GET.replace(b"\r\n\r\n", b"".join(b"\r\n" + line for line in lines) + b"\r\n\r\n")


def from_proxy(address: bytes | None) -> bytes:
    return GET if address is None else told(XFF + address)


async def asked(running: Broker, *requests: bytes, source: str = A) -> list[int]:
    """What each of the requests is told, on one connection."""
    async with running.client(source=source) as caller:
        return [(await call(caller, request)).status for request in requests]


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
    named = [b"203.0.113.1", b"203.0.113.1", b"203.0.113.2", b"203.0.113.1, 10.0.0.1", None, None, b"10.0.0.1", b"?"]
    statuses = await asked(running, *map(from_proxy, named))
    assert statuses == [200, 429, 200, 429, 200, 200, 200, 200]
    forged = [(await running.ask(from_proxy(address), source=B)).status for address in (b"192.0.2.1", b"192.0.2.2")]
    assert forged == [200, 429]


async def behind_proxies(broker: StartBroker, upstream: RawUpstream) -> Broker:
    return await broker(upstream.port, limits=TWO, listener={"trusted_proxies": [A, "10.0.0.0/8"]})


MADE_UP = [b"1.1.1.1", b"1.1.1.2", b'"[2001:db8::1]:80"', b"_x", b"unknown", b'"', b"", b"1.1.1.3;;", b"1.1.1.4"]


@pytest.mark.parametrize(("true", "made_up"), [(XFF + b"203.0.113.9", FWD), (FWD + b"203.0.113.9", XFF)])
async def test_whatever_the_other_field_says_its_sender_counts(
    broker: StartBroker, upstream: RawUpstream, true: bytes, made_up: bytes
) -> None:
    running = await behind_proxies(broker, upstream)
    statuses = await asked(running, *(told(made_up + address, true) for address in MADE_UP))
    assert statuses == [200] * 2 + [429] * (len(MADE_UP) - 2)
    assert len(upstream.requests) == 2


@pytest.mark.parametrize(("true", "made_up"), [(XFF, FWD), (FWD, XFF)])
async def test_nobody_uses_up_the_rate_of_another_by_naming_it(
    broker: StartBroker, upstream: RawUpstream, true: bytes, made_up: bytes
) -> None:
    running = await behind_proxies(broker, upstream)
    attacks = [told(true + b"203.0.113.9", made_up + victim) for victim in (b"192.0.2.1", b"192.0.2.1", b"x", b"x")]
    assert await asked(running, *attacks) == [200, 200, 429, 429]
    assert await asked(running, told(true + b"192.0.2.1"), told(made_up + b"192.0.2.1")) == [200, 200]
    # A request that was refused took nothing from either: another sender with the same account still has its own.
    others = [told(true + b"203.0.113.8", made_up + address) for address in (b"192.0.2.1", b"6.6.6.6", b"7.7.7.7")]
    assert await asked(running, *others, others[0]) == [429, 200, 200, 429]


@pytest.mark.parametrize(
    "lines",
    [
        [FWD + b'"'],
        [FWD + b'", for=203.0.113.9'],
        [FWD + b"_hidden"],
        [b"Forwarded: x"],
        [XFF + b"203.0.113.9, unknown"],
        [XFF + b"?", b"Forwarded: proto=https"],
    ],
)
async def test_what_cannot_be_read_counts_for_the_proxy_and_harms_nobody_else(
    broker: StartBroker, upstream: RawUpstream, lines: list[bytes]
) -> None:
    running = await behind_proxies(broker, upstream)
    assert await asked(running, *[told(*lines)] * 3) == [200, 200, 429]
    assert await asked(running, told(XFF + b"192.0.2.1"), told(FWD + b"192.0.2.1"), GET, GET, GET) == [200] * 5


async def test_where_a_proxy_is_not_trusted_it_has_a_rate_of_its_own(
    broker: StartBroker, upstream: RawUpstream
) -> None:
    running = await behind_proxies(broker, upstream)
    unclear = told(XFF + b"?")
    assert await asked(running, *[unclear] * 3) == [200, 200, 429]
    listeners = yaml.safe_load(running.app._path.read_text())["listeners"]
    for listener in listeners.values():
        del listener["trusted_proxies"]
    await change(running, listeners=listeners)
    assert await asked(running, *[unclear] * 3) == [200, 200, 429]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([XFF + b"6.6.6.6", XFF + b"203.0.113.9"], [XFF + b"7.7.7.7, 203.0.113.9"]),
        ([FWD + b'"', FWD + b"203.0.113.9"], [FWD + b"6.6.6.6, for=203.0.113.9;proto=https"]),
        ([XFF + b"203.0.113.9:5000"], [FWD + b'"203.0.113.9:5001"']),
        ([XFF + b"203.0.113.9"], [XFF + b"6.6.6.6, 203.0.113.9, 10.0.0.1", FWD + b"203.0.113.9"]),
        ([XFF + b"203.0.113.9"], [XFF + b"203.0.113.9", FWD + b"10.0.0.1"]),
        ([XFF + b"2001:db8::1"], [XFF + b"[2001:db8::2]:80"]),
        ([XFF + b"[2001:db8::1]"], [FWD + b'"[2001:db8::2]:5000"']),
        ([XFF + b"::ffff:203.0.113.9"], [FWD + b"203.0.113.9"]),
    ],
)
async def test_an_address_is_the_same_however_it_is_told(
    broker: StartBroker, upstream: RawUpstream, one: list[bytes], other: list[bytes]
) -> None:
    running = await behind_proxies(broker, upstream)
    assert await asked(running, told(*one), told(*other), told(*one), told(*other)) == [200, 200, 429, 429]


@pytest.mark.parametrize("lines", [[], [XFF + b"10.0.0.1, 10.0.0.2"], [FWD + b"10.0.0.1", XFF + b"10.0.0.2"]])
async def test_trusted_proxies_alone_are_not_counted(
    broker: StartBroker, upstream: RawUpstream, lines: list[bytes]
) -> None:
    running = await behind_proxies(broker, upstream)
    assert await asked(running, *[told(*lines)] * 4) == [200] * 4


async def test_an_unclear_account_lets_nobody_in_by_address(broker: StartBroker, upstream: RawUpstream) -> None:
    callers = {"hq": {"type": "ip", "allow": ["192.168.0.0/16", f"{A}/32"]}}
    proxies = {"trusted_proxies": [A, "10.0.0.0/8"]}
    running = await broker(upstream.port, callers=callers, listener=proxies, route={"callers": ["hq"]})
    inside, outside = b"192.168.1.1", b"203.0.113.9"
    statuses = await asked(
        running,
        told(XFF + outside, FWD + inside),
        told(XFF + inside, FWD + outside),
        told(XFF + inside, FWD + b"_x"),
        told(XFF + inside + b", ?"),
        told(FWD + inside + b', for="'),
    )
    assert statuses == [403] * 5
    assert not upstream.requests
    assert await asked(running, told(XFF + inside)) == [200]
