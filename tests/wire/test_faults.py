"""Every way in which an upstream can fail: the right answer in time, nothing left behind, the next call unharmed."""

import asyncio
import itertools
import random
import socket
import struct
from asyncio import StreamWriter
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from blackhole import blackhole
from rig import GET, Rig, pki, serving

from broker.testing import contexts
from broker.testing.raw.client import RawClient, RawResponse
from broker.testing.raw.reader import RawReader, read_head, read_request
from broker.testing.raw.upstream import RawUpstream

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
WELL = GET.replace(b"/thing", b"/well")
POST = b"POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc"
GET10 = GET.replace(b"1.1", b"1.0")
SOON = 8.0
"""Seconds that no test needs; all deadlines below are much shorter."""

PROTECTED: dict[str, Any] = {
    "retry": {"attempts": 3, "on": ["connect_failed", "reset", 502, 503, 504], "backoff": "10ms"},
    "circuit_breaker": {"failures": 50, "open_for": "200ms"},
    "max_concurrency": 4,
    "queue": {"size": 4, "wait": "2s"},
}
SETTINGS = pytest.mark.parametrize("settings", [{}, PROTECTED], ids=["bare", "protected"])

DESCRIPTORS = Path("/proc/self/fd")

Fault = Callable[[RawReader, StreamWriter], Awaitable[None]]


@dataclass(frozen=True)
class Left:
    """What may be left behind by a call."""

    sockets: int
    tasks: int
    callers: int
    busy: int
    places: int
    waiting: int


def left(rig: Rig) -> Left:
    """What there is now, kept connections aside: they are closed first, on both sides."""
    compiled = rig.app._compiled
    assert compiled is not None
    pools = [pool for upstream in compiled.upstreams.values() for pool in upstream.all_pools]
    for pool in pools:
        while pool._idle:
            pool._idle.pop().close()
    bulkheads = [bulkhead for _, bulkhead in compiled.registry.bulkheads.values()]
    return Left(
        sockets=sum(is_socket(entry) for entry in DESCRIPTORS.iterdir()),
        tasks=len(asyncio.all_tasks()),
        callers=sum(listener.connections for listener in rig.app.listeners.values()),
        busy=sum(pool.busy for pool in pools),
        places=sum(bulkhead.active for bulkhead in bulkheads),
        waiting=sum(bulkhead.waiting for bulkhead in bulkheads),
    )


def is_socket(entry: Path) -> bool:
    try:
        return str(entry.readlink()).startswith("socket:")
    except OSError:
        return False


@asynccontextmanager
async def nothing_left_by(rig: Rig) -> AsyncIterator[None]:
    """What happens inside leaves nothing behind, however long it takes to go."""
    before = await settled(rig)
    yield
    after = left(rig)
    with suppress(TimeoutError):
        async with asyncio.timeout(2):
            while after != before:
                await asyncio.sleep(0.005)
                after = left(rig)
    assert after == before


async def settled(rig: Rig) -> Left:
    """What there is when nothing changes any more."""
    seen = None
    while seen != (seen := left(rig)):
        await asyncio.sleep(0.01)
    return seen


def code(answer: RawResponse) -> tuple[int, bytes]:
    return answer.status, (answer.headers("broker-error") or [b""])[0]


def retries(rig: Rig) -> int:
    assert rig.app._compiled is not None
    return sum(sum(upstream.stats.retries.values()) for upstream in rig.app._compiled.upstreams.values())


def failing(fault: Fault) -> Fault:
    """An upstream that answers `/well` as it should, and everything else with the fault; then it hangs up."""

    async def script(reader: RawReader, writer: StreamWriter) -> None:
        while request := await read_request(reader):
            if b" /well " not in request:
                await fault(reader, writer)
                return
            writer.write(OK)
            await writer.drain()

    return script


def reset(writer: StreamWriter) -> None:
    """Hang up with an RST."""
    raw: socket.socket = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def writing(*parts: bytes, every: float = 0.0, then: str = "close") -> Fault:
    """Write the parts one by one, then close, reset, or be silent until the broker hangs up."""

    async def fault(reader: RawReader, writer: StreamWriter) -> None:
        for part in parts:
            if writer.is_closing():
                return
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(every)
        if then == "reset":
            reset(writer)
        elif then == "silence":
            await reader.some()

    return fault


def dripping(head: bytes, every: float) -> Fault:
    """The head, then a byte now and then, without end."""

    async def fault(reader: RawReader, writer: StreamWriter) -> None:
        writer.write(head)
        while not writer.is_closing():
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(every)

    return fault


# Before a connection is had.


@SETTINGS
async def test_a_target_that_refuses_is_a_502_until_it_listens_again(
    settings: dict[str, Any], unused_tcp_port: int
) -> None:
    back = RawUpstream(OK)
    back.port = unused_tcp_port
    upstream = {**settings, "targets": [f"http://127.0.0.1:{unused_tcp_port}"]}
    async with asyncio.timeout(SOON), serving(OK, upstream=upstream) as rig:
        async with nothing_left_by(rig):
            for request in (GET, POST):
                assert code(await rig.call(request)) == (502, b"upstream_connect_failed")
        async with back:
            assert (await rig.call(POST)).body == b"ok"


async def test_a_post_waits_for_a_target_that_restarts_and_is_delivered_once(unused_tcp_port: int) -> None:
    back = RawUpstream(OK)
    back.port = unused_tcp_port
    patient = {"attempts": 4, "on": ["connect_failed"], "backoff": "300ms", "budget": "100%"}
    upstream = {"retry": patient, "targets": [f"http://127.0.0.1:{unused_tcp_port}"]}
    async with asyncio.timeout(SOON), serving(OK, upstream=upstream) as rig, nothing_left_by(rig):
        call = asyncio.create_task(rig.call(POST))
        while not retries(rig):
            await asyncio.sleep(0.002)
        async with back:
            assert (await call).body == b"ok"
        assert len(back.requests) == 1


async def test_the_circuit_of_a_target_that_refuses_opens_and_closes_when_it_listens_again(
    unused_tcp_port: int,
) -> None:
    back = RawUpstream(OK)
    back.port = unused_tcp_port
    breaker = {"circuit_breaker": {"failures": 2, "open_for": "200ms"}}
    upstream = {**breaker, "targets": [f"http://127.0.0.1:{unused_tcp_port}"]}
    async with asyncio.timeout(SOON), serving(OK, upstream=upstream) as rig:
        async with nothing_left_by(rig):
            answers = [code(await rig.call(POST)) for _ in range(3)]
        assert answers == [(502, b"upstream_connect_failed")] * 2 + [(503, b"circuit_open")]
        async with back:
            while code(await rig.call(POST)) == (503, b"circuit_open"):
                await asyncio.sleep(0.02)
            assert (await rig.call(POST)).body == b"ok"


@SETTINGS
async def test_a_target_that_takes_no_connection_is_a_502_in_time(settings: dict[str, Any]) -> None:
    with blackhole() as (listening, filling):
        target = f"http://127.0.0.1:{listening.getsockname()[1]}"
        upstream = {**settings, "targets": [target], "timeouts": {"connect": "150ms"}}
        async with asyncio.timeout(SOON), serving(OK, upstream=upstream) as rig:
            async with nothing_left_by(rig):
                for request in (GET, POST):
                    assert code(await rig.call(request)) == (502, b"upstream_connect_failed")
            filling.close()
            listening.setblocking(False)
            back = RawUpstream(OK)
            server = await asyncio.start_server(back._accept, sock=listening.dup())
            assert (await rig.call(POST)).body == b"ok"
            server.close()
            await back_stopped(back)


async def back_stopped(back: RawUpstream) -> None:
    """End what was accepted without the upstream's own server."""
    back.abort_connections()
    await asyncio.gather(*back._tasks, return_exceptions=True)


async def test_the_deadline_of_the_call_holds_while_a_target_takes_no_connection() -> None:
    with blackhole() as (listening, _):
        upstream = {"targets": [f"http://127.0.0.1:{listening.getsockname()[1]}"]}
        async with (
            asyncio.timeout(SOON),
            serving(OK, upstream=upstream, route={"deadline": "200ms"}) as rig,
            nothing_left_by(rig),
        ):
            assert code(await rig.call(POST)) == (504, b"upstream_timeout")


async def mute(reader: RawReader, _: StreamWriter) -> None:
    while await reader.some():
        pass


@SETTINGS
async def test_a_tls_handshake_that_is_not_answered_is_a_502_in_time(settings: dict[str, Any]) -> None:
    async with asyncio.timeout(SOON), RawUpstream(mute) as silent:
        upstream = {**settings, "targets": [f"https://127.0.0.1:{silent.port}"], "timeouts": {"connect": "150ms"}}
        async with serving(OK, upstream=upstream, upstream_tls=contexts.server_context(pki()[1])) as rig:
            async with nothing_left_by(rig):
                for request in (GET, POST):
                    assert code(await rig.call(request)) == (502, b"upstream_tls_failed")
            assert not silent.requests
            port = silent.port
            await silent.stop()
            well = RawUpstream(OK, tls=contexts.server_context(pki()[1]))
            well.port = port
            async with well:
                assert (await rig.call(POST)).body == b"ok"


async def test_a_target_that_cannot_be_connected_to_leaves_its_calls_to_the_others() -> None:
    with blackhole() as (listening, _):
        async with asyncio.timeout(SOON), RawUpstream(OK) as well:
            dead = [f"http://127.0.0.1:{listening.getsockname()[1]}", "http://no-such-host.invalid"]
            upstream = {"targets": [*dead, f"http://127.0.0.1:{well.port}"], "timeouts": {"connect": "100ms"}}
            async with serving(OK, upstream=upstream) as rig, nothing_left_by(rig):
                for _ in range(4):
                    assert (await rig.call(POST)).body == b"ok"
            assert len(well.requests) == 4


@SETTINGS
async def test_a_name_that_does_not_resolve_is_a_502_and_the_other_upstreams_are_served(
    settings: dict[str, Any], broker: Any, certificates: Any
) -> None:
    async with asyncio.timeout(SOON), RawUpstream(OK) as well:
        running = await broker(
            well.port,
            upstreams={"lost": {**settings, "targets": ["http://no-such-host.invalid"]}},
            routes=[{"name": "lost", "match": {"path": "/lost"}, "upstream": "lost"}, {"name": "all"}],
        )
        for method in (b"GET", b"POST"):
            request = method + b" /lost HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"
            answer = await running.ask(request)
            assert code(answer) == (502, b"upstream_connect_failed")
            assert b"no-such-host" not in answer.body
        assert (await running.ask(GET)).body == b"ok"


# Before a whole head.

PROTOCOL = (502, b"upstream_protocol_error")
TIMEOUT = (504, b"upstream_timeout")
HEAD = b"HTTP/1.1 200 OK\r\nX-A: b\r\nContent-Le"
BEFORE_A_HEAD: dict[str, tuple[Fault, tuple[int, bytes]]] = {
    "resets at once": (writing(then="reset"), PROTOCOL),
    "closes at once": (writing(), PROTOCOL),
    "resets mid-head": (writing(HEAD, every=0.02, then="reset"), PROTOCOL),
    "closes mid-head": (writing(HEAD, every=0.02), PROTOCOL),
    "answers garbage": (writing(bytes(range(128, 256)) * 4, then="silence"), PROTOCOL),
    "speaks another protocol": (writing(b"220 mail.example ESMTP ready\r\n", then="silence"), PROTOCOL),
    "upgrades unasked": (
        writing(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", then="silence"),
        PROTOCOL,
    ),
    "sends a huge header": (writing(b"HTTP/1.1 200 OK\r\nX-A: " + b"b" * 1_000_000, then="silence"), PROTOCOL),
    "sends a header without end": (
        writing(b"HTTP/1.1 200 OK\r\n", *[b"X-A: " + b"b" * 8192 + b"\r\n"] * 64, then="silence"),
        PROTOCOL,
    ),
    "sends too many headers": (
        writing(b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 5000 + b"\r\n", then="silence"),
        PROTOCOL,
    ),
    "says nothing": (writing(then="silence"), TIMEOUT),
    "stops in its head": (writing(HEAD, then="silence"), TIMEOUT),
    "drips its head for ever": (dripping(b"HTTP/1.1 200 OK\r\nX-A: ", every=0.05), TIMEOUT),
    "sends interim answers for ever": (
        writing(*[b"HTTP/1.1 102 Processing\r\n\r\n"] * 100, every=0.05, then="silence"),
        TIMEOUT,
    ),
}
QUICK = {"timeouts": {"connect": "200ms", "first_byte": "200ms", "idle": "200ms"}}


def deadline(expected: tuple[int, bytes]) -> dict[str, str]:
    """For a route: soon over where that is what is looked at, else out of the way."""
    return {"deadline": "800ms" if expected == TIMEOUT else "30s"}


@SETTINGS
@pytest.mark.parametrize("fault", BEFORE_A_HEAD)
async def test_an_upstream_that_fails_before_its_head_is_an_error_in_time_and_a_post_is_delivered_once(
    fault: str, settings: dict[str, Any]
) -> None:
    script, expected = BEFORE_A_HEAD[fault]
    upstream = {**QUICK, **settings}
    async with asyncio.timeout(SOON), serving(failing(script), upstream=upstream, route=deadline(expected)) as rig:
        async with nothing_left_by(rig):
            assert code(await rig.call(POST)) == expected
            assert (await rig.call(WELL)).body == b"ok"
            assert code(await rig.call(POST)) == expected
        assert (await rig.call(WELL)).body == b"ok"
        assert [request.startswith(b"POST") for request in rig.upstream.requests] == [True, False, True, False]


@pytest.mark.parametrize("fault", BEFORE_A_HEAD)
async def test_a_get_is_repeated_only_where_no_byte_of_an_answer_came(fault: str) -> None:
    script, expected = BEFORE_A_HEAD[fault]
    upstream = {**QUICK, **PROTECTED}
    async with asyncio.timeout(SOON), serving(failing(script), upstream=upstream, route=deadline(expected)) as rig:
        async with nothing_left_by(rig):
            assert code(await rig.call(GET)) == expected
        assert len(rig.upstream.requests) == (3 if fault.endswith("at once") else 1)
        assert (await rig.call(WELL)).body == b"ok"


# In the body.

BODIES = {
    "Content-Length": b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome bytes",
    "chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\nsome bytes\r\n",
    "close-delimited": b"HTTP/1.1 200 OK\r\n\r\nsome bytes",
}
ENDS = [
    (framing, end)
    for framing in BODIES
    for end in ("reset", "close", "silence")
    # What ends with the connection is complete when the connection is closed in good order.
    if (framing, end) != ("close-delimited", "close")
]


@SETTINGS
@pytest.mark.parametrize("request_bytes", [GET, GET10, POST], ids=["1.1", "1.0", "POST"])
@pytest.mark.parametrize(("framing", "end"), ENDS)
async def test_a_body_that_breaks_off_never_looks_complete(
    framing: str, end: str, request_bytes: bytes, settings: dict[str, Any]
) -> None:
    fault = failing(writing(BODIES[framing], every=0.03, then=end))
    upstream = {"timeouts": {"idle": "100ms"}, **settings}
    async with asyncio.timeout(SOON), serving(fault, upstream=upstream) as rig:
        async with nothing_left_by(rig):
            answer = await rig.call(request_bytes)
            assert (answer.status, answer.body, answer.complete) == (200, b"some bytes", False)
        assert len(rig.upstream.requests) == 1
        assert (await rig.call(WELL)).body == b"ok"


@pytest.mark.parametrize("request_bytes", [GET, GET10], ids=["1.1", "1.0"])
@pytest.mark.parametrize("framing", ["Content-Length", "chunked"])
async def test_a_body_that_is_all_there_but_for_its_end_never_looks_complete(
    framing: str, request_bytes: bytes
) -> None:
    """Head, body and the hang-up arrive together: what is sent whole elsewhere must not be sent here."""
    async with asyncio.timeout(SOON), serving(failing(writing(BODIES[framing]))) as rig:
        for _ in range(10):
            async with nothing_left_by(rig), rig.caller() as caller:
                await caller.send(request_bytes)
                answer = None
                with suppress(OSError, asyncio.IncompleteReadError):
                    answer = await caller.recv_response()
                assert answer is None or answer.status == 502 or not answer.complete
        assert (await rig.call(WELL)).body == b"ok"


@SETTINGS
async def test_a_body_that_drips_ends_with_the_deadline_of_the_call(settings: dict[str, Any]) -> None:
    fault = failing(dripping(b"HTTP/1.1 200 OK\r\n\r\n", every=0.05))
    upstream = {"timeouts": {"connect": "300ms", "idle": "300ms"}, **settings}
    async with asyncio.timeout(SOON), serving(fault, upstream=upstream, route={"deadline": "900ms"}) as rig:
        async with nothing_left_by(rig):
            answer = await rig.call()
            assert (answer.status, answer.complete) == (200, False)
        assert (await rig.call(WELL)).body == b"ok"


@SETTINGS
async def test_a_body_that_drips_more_slowly_than_idle_ends_with_idle(settings: dict[str, Any]) -> None:
    fault = failing(dripping(b"HTTP/1.1 200 OK\r\n\r\n", every=0.6))
    upstream = {"timeouts": {"idle": "100ms"}, **settings}
    async with asyncio.timeout(SOON), serving(fault, upstream=upstream) as rig:
        async with nothing_left_by(rig):
            answer = await rig.call()
            assert (answer.status, answer.body, answer.complete) == (200, b"x", False)
        assert (await rig.call(WELL)).body == b"ok"


@SETTINGS
@pytest.mark.parametrize("pause", [0.0, 0.03])
async def test_what_comes_after_the_declared_length_reaches_nobody(pause: float, settings: dict[str, Any]) -> None:
    poison = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"
    fault = writing(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabcd", poison, every=pause, then="silence")
    if not pause:
        fault = writing(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabcd" + poison, then="silence")
    async with asyncio.timeout(SOON), serving(failing(fault), upstream=settings) as rig, nothing_left_by(rig):
        assert (await rig.call(POST)).body == b"abcd"
        await asyncio.sleep(2 * pause)
        for request in (WELL, POST, WELL):
            assert (await rig.call(request)).body in (b"ok", b"abcd")
            await asyncio.sleep(2 * pause)


# Kept connections.

BURSTS, CALLS = 8, 50
MOODS = ("answers", "closes", "resets", "closes later", "takes and closes", "takes and resets")


@SETTINGS
async def test_a_post_is_never_delivered_twice_however_idle_connections_end(settings: dict[str, Any]) -> None:
    """The upstream ends kept connections around the moment at which the next POST is sent."""
    chance = random.Random(20)
    seen: Counter[bytes] = Counter()
    later: set[asyncio.Task[None]] = set()

    async def ends(writer: StreamWriter) -> None:
        await asyncio.sleep(chance.random() * 0.004)
        writer.close()

    async def moody(reader: RawReader, writer: StreamWriter) -> None:
        while head := await read_head(reader):
            seen[head.split(b" ", 2)[1]] += 1
            await reader.exactly(3)
            mood = chance.choice(MOODS)
            if mood == "takes and closes":
                return
            if mood == "takes and resets":
                reset(writer)
                return
            writer.write(OK)
            await writer.drain()
            if mood == "closes":
                return
            if mood == "resets":
                reset(writer)
                return
            if mood == "closes later":
                task = asyncio.create_task(ends(writer))
                later.add(task)
                task.add_done_callback(later.discard)

    numbers = itertools.count()
    answers: dict[bytes, int] = {}

    async def burst(rig: Rig) -> None:
        async with rig.caller() as caller:
            for _ in range(CALLS):
                name = b"/order-%d" % next(numbers)
                await caller.send(POST.replace(b"/x", name))
                answers[name] = (await caller.recv_response()).status
                await asyncio.sleep(chance.random() * 0.006)

    async with asyncio.timeout(4 * SOON), serving(moody, upstream=settings) as rig, nothing_left_by(rig):
        await asyncio.gather(*(burst(rig) for _ in range(BURSTS)))
        await asyncio.gather(*later)
    assert len(answers) == BURSTS * CALLS
    assert set(answers.values()) == {200, 502}
    assert max(seen.values()) == 1
    assert {name for name, status in answers.items() if status == 200} <= set(seen)


@SETTINGS
async def test_a_get_is_answered_however_idle_connections_end(settings: dict[str, Any]) -> None:
    async def fickle(reader: RawReader, writer: StreamWriter) -> None:
        for _ in range(2):
            await read_request(reader)
            writer.write(OK)
            await writer.drain()
        await asyncio.sleep(chance.random() * 0.004)

    chance = random.Random(7)
    async with asyncio.timeout(SOON), serving(fickle, upstream=settings) as rig, nothing_left_by(rig):
        for _ in range(100):
            assert (await rig.call()).body == b"ok"


# Places, queues and callers that leave.


async def test_an_upstream_that_is_silent_keeps_no_place_and_holds_up_nobody_for_longer_than_allowed() -> None:
    limits = {"max_concurrency": 1, "queue": {"size": 1, "wait": "200ms"}, "timeouts": {"first_byte": "600ms"}}
    fault = failing(writing(then="silence"))
    async with asyncio.timeout(SOON), serving(fault, upstream=limits) as rig, nothing_left_by(rig):
        answers = Counter(map(code, await asyncio.gather(*(rig.call(POST) for _ in range(4)))))
        assert answers == {TIMEOUT: 1, (503, b"overloaded"): 3}
        assert len(rig.upstream.requests) == 1
        assert (await rig.call(WELL)).body == b"ok"


async def test_the_circuit_of_a_silent_upstream_opens_and_a_waiting_call_is_refused_at_once() -> None:
    settings = {
        "circuit_breaker": {"failures": 2, "open_for": "300ms"},
        "timeouts": {"first_byte": "100ms"},
        "max_concurrency": 1,
        "queue": {"size": 10},
    }
    fault = failing(writing(then="silence"))
    async with asyncio.timeout(SOON), serving(fault, upstream=settings) as rig, nothing_left_by(rig):
        answers = Counter(map(code, await asyncio.gather(*(rig.call(POST) for _ in range(6)))))
        assert answers == {TIMEOUT: 2, (503, b"circuit_open"): 4}
        while code(await rig.call(WELL)) != (200, b""):
            await asyncio.sleep(0.02)
        assert len(rig.upstream.requests) == 3


async def leaves(caller: RawClient) -> None:
    """Send a POST, wait until it is under way, and hang up."""
    await caller.send(POST)
    await asyncio.sleep(0.1)
    await caller.abort()


async def test_a_caller_that_leaves_while_a_connection_is_made_leaves_nothing_behind() -> None:
    with blackhole() as (listening, _):
        upstream = {**PROTECTED, "targets": [f"http://127.0.0.1:{listening.getsockname()[1]}"]}
        async with (
            asyncio.timeout(SOON),
            serving(OK, upstream=upstream) as rig,
            nothing_left_by(rig),
            rig.caller() as caller,
        ):
            await leaves(caller)


async def test_a_caller_that_leaves_during_a_handshake_leaves_nothing_behind() -> None:
    tls = contexts.server_context(pki()[1])
    async with asyncio.timeout(SOON), RawUpstream(mute) as silent:
        upstream = {**PROTECTED, "targets": [f"https://127.0.0.1:{silent.port}"]}
        async with (
            serving(OK, upstream=upstream, upstream_tls=tls) as rig,
            nothing_left_by(rig),
            rig.caller() as caller,
        ):
            await leaves(caller)


async def test_a_caller_that_leaves_between_two_attempts_leaves_nothing_behind(unused_tcp_port: int) -> None:
    slow = {"attempts": 5, "on": ["connect_failed"], "backoff": "60s"}
    upstream = {"retry": slow, "max_concurrency": 1, "targets": [f"http://127.0.0.1:{unused_tcp_port}"]}
    async with (
        asyncio.timeout(SOON),
        serving(OK, upstream=upstream) as rig,
        nothing_left_by(rig),
        rig.caller() as caller,
    ):
        await leaves(caller)


async def test_a_caller_that_leaves_the_queue_leaves_nothing_behind() -> None:
    limits = {"max_concurrency": 1, "queue": {"size": 5}, "timeouts": {"first_byte": "500ms"}}
    fault = failing(writing(then="silence"))
    async with asyncio.timeout(SOON), serving(fault, upstream=limits) as rig, nothing_left_by(rig):
        first = asyncio.create_task(rig.call(POST))
        while not rig.upstream.requests:
            await asyncio.sleep(0.005)
        async with rig.caller() as caller:
            await leaves(caller)
        assert code(await first) == TIMEOUT
        assert (await rig.call(WELL)).body == b"ok"
        assert len(rig.upstream.requests) == 2
