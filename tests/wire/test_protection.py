"""What protects an upstream: rates, places, priorities, breakers, retries, pauses."""

import asyncio
from asyncio import StreamWriter
from typing import Any

import pytest
from rig import GET, Rig, serving

from broker.core.errors import BrokerError
from broker.policy.breaker_settings import State
from broker.testing.raw.reader import RawReader, read_head, read_request
from broker.testing.raw.upstream import RawUpstream
from broker.upstream.pool import Pool

SOON = 20.0
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
BUSY = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\nbusy"
POST = b"POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc"
PUT = POST.replace(b"POST", b"PUT")


def code(answer: Any) -> tuple[int, bytes]:
    return answer.status, (answer.headers("broker-error") or [b""])[0]


def retry_after(answer: Any) -> int:
    return int(answer.headers("retry-after")[0])


class Gauge:
    """An upstream that answers when told, and knows how many calls it has at once."""

    def __init__(self) -> None:
        self.now = self.most = 0
        self.go = asyncio.Event()

    async def __call__(self, reader: RawReader, writer: StreamWriter) -> None:
        while True:
            await read_request(reader)
            self.now += 1
            self.most = max(self.most, self.now)
            await self.go.wait()
            self.now -= 1
            if writer.is_closing():
                return
            writer.write(OK)
            await writer.drain()


async def waits(gauge: Gauge, calls: int) -> None:
    while gauge.now < calls:
        await asyncio.sleep(0.005)


@pytest.mark.parametrize("where", ["route", "upstream"])
async def test_a_rate_is_held_and_the_refusal_says_when(where: str) -> None:
    limited: Any = {where: {"rate": "2/m"}}
    async with asyncio.timeout(SOON), serving(OK, **limited) as rig:
        answers = [await rig.call() for _ in range(4)]
    assert [code(answer) for answer in answers] == [(200, b"")] + [(429, b"rate_limited")] * 3
    assert 25 <= retry_after(answers[1]) <= 31
    assert len(rig.upstream.requests) == 1


@pytest.mark.parametrize("where", ["route", "upstream"])
async def test_no_more_calls_at_a_time_than_allowed(where: str) -> None:
    gauge, limited = Gauge(), {where: {"max_concurrency": 2}}
    async with asyncio.timeout(SOON), serving(gauge, **limited) as rig:  # type: ignore[arg-type]
        calls = [asyncio.create_task(rig.call()) for _ in range(2)]
        await waits(gauge, 2)
        refused = await rig.call()
        assert code(refused) == (503, b"overloaded")
        assert retry_after(refused) >= 1
        gauge.go.set()
        assert [(await call).status for call in calls] == [200, 200]
        assert (await rig.call()).status == 200
    assert gauge.most == 2


async def test_calls_wait_for_their_turn_and_not_for_ever() -> None:
    gauge, limits = Gauge(), {"max_concurrency": 1, "queue": {"size": 2, "wait": "300ms"}}
    async with asyncio.timeout(SOON), serving(gauge, upstream=limits) as rig:
        first = asyncio.create_task(rig.call())
        await waits(gauge, 1)
        late = await asyncio.gather(*(rig.call() for _ in range(3)))
        assert [code(answer) for answer in late] == [(503, b"overloaded")] * 3
        waiting = [asyncio.create_task(rig.call()) for _ in range(2)]
        await asyncio.sleep(0.05)
        gauge.go.set()
        assert [(await call).status for call in (first, *waiting)] == [200] * 3
    assert gauge.most == 1


async def test_a_refusal_names_the_longest_of_the_waits() -> None:
    limits: Any = {"route": {"rate": "1/s"}, "upstream": {"rate": "2/m burst 1"}}
    async with asyncio.timeout(SOON), serving(OK, **limits) as rig:
        assert (await rig.call()).status == 200
        assert 25 <= retry_after(await rig.call()) <= 30


async def test_low_priority_has_its_share_of_a_rate_that_high_wants_for_itself() -> None:
    routes = [{"name": name, "match": {"path": f"/{name}/"}, "priority": name} for name in ("high", "low")]
    async with asyncio.timeout(SOON), serving(OK, upstream={"rate": "50/s burst 40"}, more_routes=routes) as rig:
        granted = {b"high": 0, b"low": 0}

        async def insist(priority: bytes) -> None:
            async with rig.caller() as caller:
                while granted[b"low"] < 6:
                    await caller.send(GET.replace(b"/thing", b"/%b/x" % priority))
                    answer = await caller.recv_response()
                    granted[priority] += answer.status == 200

        high = [asyncio.create_task(insist(b"high")) for _ in range(6)]
        while granted[b"high"] < 60:
            await asyncio.sleep(0.01)
        # The burst is gone, and what low would have to leave of it never comes back.
        await asyncio.gather(insist(b"low"), *high)
    assert granted[b"high"] >= 60 + 6


async def test_without_a_queue_nothing_is_said_of_one() -> None:
    gauge = Gauge()
    async with asyncio.timeout(SOON), serving(gauge, upstream={"max_concurrency": 1}) as rig:
        first = asyncio.create_task(rig.call())
        await waits(gauge, 1)
        assert b"As many calls are under way as may be." in (await rig.call()).body
        gauge.go.set()
        assert (await first).status == 200


async def test_places_of_the_route_and_of_the_upstream_are_both_given_back() -> None:
    limits = {"max_concurrency": 1}
    async with asyncio.timeout(SOON), serving(OK, upstream=limits, route=limits) as rig, rig.caller() as caller:
        for _ in range(3):
            await caller.send(GET)
            assert (await caller.recv_response()).status == 200


async def test_a_place_is_kept_until_the_last_byte() -> None:
    go = asyncio.Event()

    async def slow_body(reader: RawReader, writer: StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab")
        await writer.drain()
        await go.wait()
        writer.write(b"cd")

    async with (
        asyncio.timeout(SOON),
        serving(slow_body, upstream={"max_concurrency": 1}) as rig,
        rig.caller() as caller,
    ):
        await caller.send(GET)
        await asyncio.sleep(0.1)
        assert code(await rig.call()) == (503, b"overloaded")
        go.set()
        assert (await caller.recv_response()).body == b"abcd"


async def test_a_caller_that_leaves_gives_its_place_back() -> None:
    gauge = Gauge()
    async with asyncio.timeout(SOON), serving(gauge, upstream={"max_concurrency": 1}) as rig:
        async with rig.caller() as caller:
            await caller.send(GET)
            await waits(gauge, 1)
        gauge.go.set()
        while (await rig.call()).status != 200:
            await asyncio.sleep(0.01)


async def hang_up(reader: RawReader, writer: StreamWriter) -> None:
    await read_request(reader)


BREAKER = {"circuit_breaker": {"failures": 3, "open_for": "200ms"}}


async def test_a_circuit_opens_after_failures_and_closes_when_a_probe_succeeds() -> None:
    well = False

    async def sick(reader: RawReader, writer: StreamWriter) -> None:
        while True:
            await read_request(reader)
            if not well:
                return
            writer.write(OK)
            await writer.drain()

    async with asyncio.timeout(SOON), serving(sick, upstream=BREAKER) as rig:
        failed = [code(await rig.call()) for _ in range(3)]
        refused = await rig.call()
        assert failed == [(502, b"upstream_protocol_error")] * 3
        assert code(refused) == (503, b"circuit_open")
        assert retry_after(refused) == 1
        assert len(rig.upstream.requests) == 3
        await asyncio.sleep(0.25)
        assert code(await rig.call()) == (502, b"upstream_protocol_error")
        assert code(await rig.call()) == (503, b"circuit_open")
        well = True
        await asyncio.sleep(0.25)
        assert [code(await rig.call()) for _ in range(3)] == [(200, b"")] * 3


async def test_a_404_and_a_500_open_no_circuit() -> None:
    for status in (b"404 Not Found", b"500 Internal Server Error"):
        answer = b"HTTP/1.1 %b\r\nContent-Length: 0\r\n\r\n" % status
        async with asyncio.timeout(SOON), serving(answer, upstream=BREAKER) as rig:
            assert {(await rig.call()).status for _ in range(6)} == {int(status[:3])}


async def test_a_caller_that_leaves_opens_no_circuit() -> None:
    gauge = Gauge()
    async with asyncio.timeout(SOON), serving(gauge, upstream=BREAKER) as rig:
        for _ in range(5):
            async with rig.caller() as caller:
                await caller.send(GET)
                await waits(gauge, 1)
            gauge.now = 0
        gauge.go.set()
        assert (await rig.call()).status == 200


def failing_first(times: int, answer: bytes) -> Any:
    left = times

    async def script(reader: RawReader, writer: StreamWriter) -> None:
        nonlocal left
        while True:
            await read_request(reader)
            if left:
                left -= 1
                if not answer:
                    return
                writer.write(answer)
            else:
                writer.write(OK)
            await writer.drain()

    return script


RETRY = {"retry": {"attempts": 3, "on": ["connect_failed", "reset", 503], "backoff": "10ms"}}


@pytest.mark.parametrize("answer", [b"", BUSY])
@pytest.mark.parametrize("request_bytes", [GET, PUT])
async def test_an_idempotent_call_is_made_again(answer: bytes, request_bytes: bytes) -> None:
    async with asyncio.timeout(SOON), serving(failing_first(2, answer), upstream=RETRY) as rig:
        assert code(await rig.call(request_bytes)) == (200, b"")
        first, *others = rig.upstream.requests
        assert others == [first, first]


@pytest.mark.parametrize(("answer", "status"), [(b"", 502), (BUSY, 503)])
async def test_a_post_is_made_once(answer: bytes, status: int) -> None:
    async with asyncio.timeout(SOON), serving(failing_first(2, answer), upstream=RETRY) as rig:
        assert (await rig.call(POST)).status == status
        assert len(rig.upstream.requests) == 1


async def test_a_post_to_an_idempotent_route_is_made_again() -> None:
    idempotent = {"idempotent": True}
    async with asyncio.timeout(SOON), serving(failing_first(2, b""), upstream=RETRY, route=idempotent) as rig:
        assert (await rig.call(POST)).status == 200
        assert {request.partition(b"\r\n\r\n")[2] for request in rig.upstream.requests} == {b"abc"}


async def test_attempts_end() -> None:
    async with asyncio.timeout(SOON), serving(hang_up, upstream=RETRY) as rig:
        assert code(await rig.call()) == (502, b"upstream_protocol_error")
        assert len(rig.upstream.requests) == 3


async def test_a_call_that_got_no_answer_in_time_is_not_made_again() -> None:
    limits = {**RETRY, "timeouts": {"first_byte": "200ms"}}
    async with asyncio.timeout(SOON), serving(Gauge(), upstream=limits) as rig:
        assert code(await rig.call()) == (504, b"upstream_timeout")
        assert len(rig.upstream.requests) == 1


async def test_a_connect_that_fails_is_tried_again_only_where_that_is_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    attempts = 0

    async def fresh(_: Pool) -> Any:
        nonlocal attempts
        attempts += 1
        raise BrokerError("upstream_connect_failed")

    monkeypatch.setattr(Pool, "fresh", fresh)
    async with asyncio.timeout(SOON), serving(OK, upstream={"retry": {"on": [503], "backoff": "10ms"}}) as rig:
        assert code(await rig.call()) == (502, b"upstream_connect_failed")
    assert attempts == 1


async def test_retries_are_a_share_of_the_calls() -> None:
    async with asyncio.timeout(SOON), serving(hang_up, upstream=RETRY) as rig:
        for _ in range(20):
            await rig.call()
        assert len(rig.upstream.requests) <= 20 + 20 * 0.2 + 4


async def test_calls_that_went_well_leave_room_for_retries() -> None:
    asked = 0

    async def script(reader: RawReader, writer: StreamWriter) -> None:
        nonlocal asked
        while request := await read_request(reader):
            asked += request.startswith(b"GET /busy")
            writer.write(BUSY if request.startswith(b"GET /busy") and asked % 2 else OK)
            await writer.drain()

    busy = GET.replace(b"/thing", b"/busy")
    async with asyncio.timeout(SOON), serving(script, upstream=RETRY) as rig, rig.caller() as caller:
        statuses = []
        for request in [GET] * 40 + [busy] * 6:
            await caller.send(request)
            statuses.append((await caller.recv_response()).status)
    assert statuses == [200] * 46


async def test_a_body_too_large_to_hold_on_to_streams_and_goes_out_once() -> None:
    begun = asyncio.Event()

    async def script(reader: RawReader, writer: StreamWriter) -> None:
        await read_head(reader)
        begun.set()
        await reader.some()

    large = PUT.replace(b"Content-Length: 3", b"Content-Length: 50000000")
    async with asyncio.timeout(SOON), serving(script, upstream=RETRY) as rig, rig.caller() as caller:
        await caller.send(large)
        await begun.wait()
        assert code(await caller.recv_response("PUT")) == (502, b"upstream_protocol_error")
        assert len(rig.upstream.connections) == 1


async def test_a_chunked_body_that_came_with_its_head_is_sent_again() -> None:
    chunked = PUT.replace(b"Content-Length: 3\r\n\r\nabc", b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
    async with asyncio.timeout(SOON), serving(failing_first(2, BUSY), upstream=RETRY) as rig:
        assert code(await rig.call(chunked)) == (200, b"")
        assert len(rig.upstream.requests) == 3
        assert rig.app._compiled is not None
        assert rig.app._compiled.upstreams["back"].stats.retries == {"busy": 2}


async def test_an_upstream_that_asks_for_a_pause_gets_it() -> None:
    later = BUSY.replace(b"\r\n\r\n", b"\r\nRetry-After: 1\r\n\r\n")
    async with asyncio.timeout(SOON), serving([later, OK]) as rig:
        assert (await rig.call()).status == 503
        refused = await rig.call()
        assert code(refused) == (503, b"overloaded")
        assert retry_after(refused) == 1
        assert len(rig.upstream.requests) == 1
        await asyncio.sleep(1.05)
        assert (await rig.call()).status == 200


async def test_the_circuit_of_one_target_leaves_the_others_alone(unused_tcp_port: int) -> None:
    async def both(rig: Rig) -> list[tuple[int, bytes]]:
        return [code(await rig.call()) for _ in range(12)]

    limits = dict(BREAKER)
    async with asyncio.timeout(SOON), serving(OK, upstream=limits) as rig:
        targets = [f"http://127.0.0.1:{unused_tcp_port}", f"http://127.0.0.1:{rig.upstream.port}"]
        async with serving(OK, upstream={**limits, "targets": targets}) as two:
            assert set(await both(two)) == {(200, b"")}
            assert two.app._compiled is not None
            states = list(two.app._compiled.upstreams["back"].circuits().values())
    assert states == [State.OPEN, State.CLOSED]


async def test_a_connect_that_fails_first_never_costs_a_post_its_body(
    monkeypatch: pytest.MonkeyPatch, unused_tcp_port: int
) -> None:
    monkeypatch.setenv("TOKEN", "t0ken-of-the-route")
    route = {"credentials": {"type": "bearer", "token": "env:TOKEN"}}
    retry = {"retry": {"attempts": 3, "on": ["connect_failed"], "backoff": "100ms"}}
    legacy = RawUpstream([OK])
    legacy.port = unused_tcp_port
    upstream = {**retry, "targets": [f"http://127.0.0.1:{unused_tcp_port}"]}
    async with asyncio.timeout(SOON), serving(OK, upstream=upstream, route=route) as rig:
        call = asyncio.create_task(rig.call(POST))
        await asyncio.sleep(0.02)
        async with legacy:
            answer = await call
            assert (await rig.call(GET)).status == 200
    if answer.status == 200:
        assert legacy.requests[0].endswith(b"\r\n\r\nabc")
        assert legacy.requests[1].startswith(b"GET ")


async def test_nor_its_other_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "t0ken-of-the-route")
    connect, failed = Pool.fresh, False

    async def fresh(pool: Pool) -> Any:
        nonlocal failed
        if failed:
            return await connect(pool)
        failed = True
        raise BrokerError("upstream_connect_failed")

    monkeypatch.setattr(Pool, "fresh", fresh)
    route = {"credentials": {"type": "bearer", "token": "env:TOKEN"}}
    retry = {"retry": {"on": ["connect_failed"], "backoff": "10ms"}}
    async with asyncio.timeout(SOON), serving(OK, upstream=retry, route=route) as rig:
        assert code(await rig.call(POST)) == (200, b"")
        assert [request.partition(b"\r\n\r\n")[2] for request in rig.upstream.requests] == [b"abc"]


async def test_a_429_pauses_those_who_got_it_and_nobody_else() -> None:
    later = b"HTTP/1.1 429 Too Many\r\nRetry-After: 5\r\nContent-Length: 0\r\n\r\n"
    other = {"name": "other", "match": {"path": "/other/"}}
    async with asyncio.timeout(SOON), serving([later, OK], more_routes=[other]) as rig:
        assert (await rig.call()).status == 429
        assert code(await rig.call()) == (503, b"overloaded")
        assert (await rig.call(GET.replace(b"/thing", b"/other/x"))).status == 200


async def test_deadlines_open_the_circuit_of_calls_with_bodies_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "t0ken-of-the-route")
    route = {"credentials": {"type": "bearer", "token": "env:TOKEN"}, "deadline": "100ms"}
    async with asyncio.timeout(SOON), serving(Gauge(), upstream=BREAKER, route=route) as rig:
        codes = [code(await rig.call(POST))[1] for _ in range(4)]
    assert codes == [b"upstream_timeout"] * 3 + [b"circuit_open"]


LATER = BUSY.replace(b"\r\n\r\n", b"\r\nRetry-After: 30\r\n\r\n")


async def test_a_retry_waits_as_long_as_the_upstream_asked_for_or_is_not_made() -> None:
    async with asyncio.timeout(SOON), serving([LATER, OK], upstream=RETRY, route={"deadline": "6s"}) as rig:
        assert (await rig.call()).status == 503
        assert len(rig.upstream.requests) == 1


@pytest.mark.parametrize("upstream", [{}, BREAKER], ids=["", "breaker"])
async def test_a_503_that_asks_for_a_pause_is_meant_for_all(upstream: dict[str, Any]) -> None:
    other = {"name": "other", "match": {"path": "/other/"}}
    async with asyncio.timeout(SOON), serving([LATER, OK], upstream=upstream, more_routes=[other]) as rig:
        assert (await rig.call()).status == 503
        refused = await rig.call(GET.replace(b"/thing", b"/other/x"))
        assert code(refused) == (503, b"overloaded")
        assert 10 <= retry_after(refused) <= 30
        assert len(rig.upstream.requests) == 1


async def test_calls_in_the_queue_heed_a_pause_too() -> None:
    limits = {"max_concurrency": 1, "queue": {"size": 5}}
    async with asyncio.timeout(SOON), serving(LATER, upstream=limits) as rig:
        answers = await asyncio.gather(*(rig.call(POST) for _ in range(4)))
        assert {answer.status for answer in answers} == {503}
        assert len(rig.upstream.requests) == 1


async def test_a_slow_caller_opens_no_circuit() -> None:
    slow = b"POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 30\r\n\r\nabc"
    async with asyncio.timeout(SOON), serving(OK, upstream=BREAKER, route={"deadline": "100ms"}) as rig:
        for _ in range(4):
            async with rig.caller() as caller:
                await caller.send(slow)
                await caller.recv_response("POST")
        assert (await rig.call()).status == 200


async def test_a_call_that_the_queue_refuses_costs_no_token() -> None:
    gauge, limits = Gauge(), {"max_concurrency": 1, "rate": "3/m burst 3"}
    async with asyncio.timeout(SOON), serving(gauge, upstream=limits) as rig:
        first = asyncio.create_task(rig.call())
        await waits(gauge, 1)
        for _ in range(3):
            assert code(await rig.call()) == (503, b"overloaded")
        gauge.go.set()
        assert (await first).status == 200
        assert (await rig.call()).status == 200


async def test_a_caller_that_leaves_keeps_its_place_until_the_service_is_done() -> None:
    gauge = Gauge()
    async with asyncio.timeout(SOON), serving(gauge, upstream={"max_concurrency": 2}) as rig:
        for under_way in (1, 2):
            async with rig.caller() as caller:
                await caller.send(GET)
                await waits(gauge, under_way)
        await asyncio.sleep(0.05)
        assert code(await rig.call()) == (503, b"overloaded")
        assert gauge.now == gauge.most == 2
        gauge.go.set()
        while (await rig.call()).status != 200:
            await asyncio.sleep(0.01)
    assert gauge.most == 2


async def test_a_place_that_is_kept_for_the_service_comes_back_at_the_deadline() -> None:
    gauge, limits = Gauge(), {"max_concurrency": 1, "timeouts": {"first_byte": "300ms"}}
    async with asyncio.timeout(SOON), serving(gauge, upstream=limits) as rig:
        async with rig.caller() as caller:
            await caller.send(GET)
            await waits(gauge, 1)
        gauge.go.set()
        while (await rig.call()).status != 200:
            await asyncio.sleep(0.01)


async def test_low_priority_has_its_part_of_the_queue() -> None:
    gauge = Gauge()
    limits = {"max_concurrency": 1, "queue": {"size": 13, "wait": "5s"}}
    routes = [{"name": name, "match": {"path": f"/{name}/"}, "priority": name} for name in ("high", "medium", "low")]
    async with asyncio.timeout(SOON), serving(gauge, upstream=limits, more_routes=routes) as rig:

        def call(priority: bytes) -> "asyncio.Task[Any]":
            return asyncio.create_task(rig.call(GET.replace(b"/thing", b"/%b/x" % priority)))

        first = call(b"high")
        await waits(gauge, 1)
        medium = [call(b"medium") for _ in range(13)]
        await asyncio.sleep(0.1)
        low = [call(b"low") for _ in range(3)]
        await asyncio.sleep(0.1)
        high = [call(b"high") for _ in range(5)]
        await asyncio.sleep(0.1)
        gauge.go.set()
        assert (await first).status == 200
        assert [(await each).status for each in high] == [200] * 5
        assert [(await each).status for each in low].count(200) == 1
        assert 4 <= [(await each).status for each in medium].count(200) <= 7
