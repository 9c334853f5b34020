"""How many connections there may be, in total and from one address, and that every way out makes room again."""

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any, TypeAlias

import pytest
import yaml
from prometheus_client import generate_latest

from broker.app_states import States
from broker.testing.raw import RawClient, RawUpstream

Broker: TypeAlias = Any
"""What the fixture `broker` starts."""
StartBroker = Callable[..., Awaitable[Broker]]
GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
A, B = "127.0.0.2", "127.0.0.3"


def door(broker: Broker) -> tuple[int, int]:
    """Connections, and addresses remembered."""
    counted = broker.app._parts.door
    return counted.connections, len(counted)


def refusals(broker: Broker) -> dict[tuple[str, str], int]:
    return broker.app.tallies.refused_connections


async def holds(broker: Broker, connections: int) -> None:
    """Wait until so many are counted; never more than asked for."""
    while door(broker)[0] != connections:
        await asyncio.sleep(0.01)


async def let_in(broker: Broker, source: str | None = None, **options: Any) -> bool:
    """Whether a call on a new connection is answered; it is refused by a reset."""
    try:
        return (await broker.ask(GET, source=source, **options)).status == 200
    except ConnectionResetError:
        return False


async def silent(stack: AsyncExitStack, broker: Broker, source: str | None = None, port: int = 0) -> RawClient:
    """A connection that does not even begin its handshake."""
    return await stack.enter_async_context(RawClient(port or broker.port, source=source))


async def change(broker: Broker, **parts: Any) -> None:
    """Reload with other parts of the file."""
    path = broker.app._path
    path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), **parts}))
    assert (await broker.app.reload("test")).outcome == "success"


def listener(broker: Broker) -> Any:
    """The settings of the listener."""
    return yaml.safe_load(broker.app._path.read_text())["listeners"]["main"]


async def test_an_address_has_its_share_and_no_more(broker: StartBroker, upstream: RawUpstream) -> None:
    running = await broker(upstream.port, limits={"connections_per_address": 2})
    async with AsyncExitStack() as stack:
        first = await silent(stack, running, A)
        await silent(stack, running, A)
        await holds(running, 2)
        assert not await let_in(running, A)
        assert await let_in(running, B)
        assert refusals(running) == {("main", "address"): 1}
        await first.close()
        await holds(running, 1)
        assert await let_in(running, A)
    await holds(running, 0)
    assert door(running) == (0, 0)


async def test_all_listeners_share_the_total(broker: StartBroker, upstream: RawUpstream) -> None:
    running = await broker(upstream.port, limits={"connections": 2}, route={"listener": "main"})
    await change(running, listeners={"main": listener(running), "other": listener(running)})
    other = running.app.listeners["other"].address[1]
    async with AsyncExitStack() as stack:
        await silent(stack, running)
        await silent(stack, running, port=other)
        await holds(running, 2)
        assert not await let_in(running)
        with pytest.raises(ConnectionResetError):
            await (await silent(stack, running, port=other)).reader.some()
        assert refusals(running) == {("main", "total"): 1, ("other", "total"): 1}
        page = generate_latest(States(running.app._parts).registry()).decode()
        assert 'broker_connections{listener="other"} 1.0' in page
        assert 'broker_connections_refused_total{listener="main",reason="total"} 1.0' in page


async def test_a_listener_has_a_limit_of_its_own(broker: StartBroker, upstream: RawUpstream) -> None:
    running = await broker(upstream.port, listener={"limits": {"connections": 1}})
    async with AsyncExitStack() as stack:
        await silent(stack, running)
        await holds(running, 1)
        assert not await let_in(running)
        assert refusals(running) == {("main", "listener"): 1}


async def test_a_trusted_proxy_counts_in_total_only(broker: StartBroker, upstream: RawUpstream) -> None:
    limits = {"connections": 3, "connections_per_address": 1}
    running = await broker(upstream.port, limits=limits, listener={"trusted_proxies": [A]})
    async with AsyncExitStack() as stack:
        await silent(stack, running, A)
        await silent(stack, running, A)
        await holds(running, 2)
        assert await let_in(running, A)
        await silent(stack, running, B)
        await holds(running, 3)
        assert door(running) == (3, 1)
        assert not await let_in(running, A)
        assert refusals(running) == {("main", "total"): 1}


async def clean(broker: Broker) -> None:
    assert await let_in(broker)


async def reset(broker: Broker) -> None:
    async with broker.client() as caller:
        await caller.send(GET[:10])
        await caller.abort()


async def no_handshake(broker: Broker) -> None:
    async with RawClient(broker.port) as caller:
        assert await caller.recv_until_close() == b""


async def half_a_handshake(broker: Broker) -> None:
    async with RawClient(broker.port) as caller:
        await caller.send(b"\x16\x03\x01\x02\x00")
        assert await caller.recv_until_close() == b""


async def no_tls(broker: Broker) -> None:
    async with RawClient(broker.port) as caller:
        await caller.send(GET)
        await caller.recv_until_close()


async def unknown_name(broker: Broker) -> None:
    async with broker.client(server_hostname="elsewhere.invalid", context=no_questions()) as caller:
        await caller.send(GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        assert (await caller.recv_response()).status == 421
        assert await caller.recv_until_close() == b""


async def malformed(broker: Broker) -> None:
    async with broker.client() as caller:
        await caller.send(b"\x00\r\n\r\n")
        assert (await caller.recv_response()).status == 400


async def idle(broker: Broker) -> None:
    async with broker.client() as caller:
        assert await caller.recv_until_close() == b""


def no_questions() -> Any:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


WAYS: list[Callable[[Broker], Awaitable[None]]] = [
    clean,
    reset,
    no_handshake,
    half_a_handshake,
    no_tls,
    unknown_name,
    malformed,
    idle,
]


@pytest.mark.parametrize("way", WAYS)
async def test_each_way_out_makes_room(
    broker: StartBroker, upstream: RawUpstream, way: Callable[[Broker], Awaitable[None]]
) -> None:
    timeouts = {"handshake": "200ms", "idle": "200ms"}
    running = await broker(upstream.port, limits={"connections": 1}, listener={"timeouts": timeouts})
    for _ in range(2):
        await way(running)
        await holds(running, 0)
    assert door(running) == (0, 0)
    assert not refusals(running)
    assert await let_in(running)


async def test_limits_change_at_run_time_and_cut_nobody_off(broker: StartBroker, upstream: RawUpstream) -> None:
    running = await broker(upstream.port)
    async with running.client(source=A) as first, running.client(source=A) as second:
        for limits in ({"connections_per_address": 1}, {"connections": 1}):
            await change(running, limits=limits)
            assert not await let_in(running, A)
            for caller in (first, second):
                await caller.send(GET)
                assert (await caller.recv_response()).status == 200
        await change(running, limits={"connections": 3, "connections_per_address": 3})
        assert await let_in(running, A)
        assert refusals(running) == {("main", "address"): 1, ("main", "total"): 1}


async def test_connections_of_a_listener_that_leaves_count_until_they_are_gone(
    broker: StartBroker, upstream: RawUpstream
) -> None:
    running = await broker(upstream.port, limits={"connections": 1})
    async with running.client() as caller:
        await caller.send(GET[:20])
        await asyncio.sleep(0.05)
        await change(running, listeners={"new": listener(running)})
        port = running.app.listeners["new"].address[1]
        async with RawClient(port) as late:
            with pytest.raises(ConnectionResetError):
                await late.reader.some()
        assert running.app._parts.connections() == {"new": 0, "main": 1}
        await caller.send(GET[20:])
        assert (await caller.recv_response()).status == 200
        await caller.recv_until_close()
    await holds(running, 0)
    async with RawClient(port, ca=running.ca) as late:
        await late.send(GET)
        assert (await late.recv_response()).status == 200


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> Callable[[], list[logging.LogRecord]]:
    return lambda: [record for record in caplog.records if getattr(record, "event", "") == "connections_refused"]


async def test_the_log_says_which_setting_was_reached_and_does_not_repeat_itself(
    broker: StartBroker, upstream: RawUpstream, told: Callable[[], list[logging.LogRecord]]
) -> None:
    running = await broker(upstream.port, limits={"connections_per_address": 1})
    async with AsyncExitStack() as stack:
        await silent(stack, running, A)
        await holds(running, 1)
        for _ in range(3):
            assert not await let_in(running, A)
    [record] = told()
    assert record.levelname == "WARNING"
    assert "limits.connections_per_address" in record.getMessage()
    assert (record.__dict__["listener"], record.__dict__["reason"], record.__dict__["peer"]) == ("main", "address", A)
