"""What a limit that finds itself is told of calls."""

import asyncio
from time import monotonic
from typing import Any

import pytest
from adaptive import ONE, SOON, Service, bulkhead, empty, status
from rig import GET, serving

from broker.policy.adaptive import AdaptiveLimit


class Told:
    """What the limit is told of calls: seconds, calls under way, whether it was too much."""

    def __init__(self) -> None:
        self.calls: list[tuple[float, int, bool]] = []

    async def of(self, calls: int) -> list[tuple[float, int, bool]]:
        while len(self.calls) < calls:
            await asyncio.sleep(0.005)
        return self.calls


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Told:
    told, observe = Told(), AdaptiveLimit.observe

    def noting(limit: AdaptiveLimit, seconds: float, active: int, *, overloaded: bool = False) -> None:
        told.calls.append((seconds, active, overloaded))
        observe(limit, seconds, active, overloaded=overloaded)

    monkeypatch.setattr(AdaptiveLimit, "observe", noting)
    return told


async def test_a_caller_that_reads_slowly_is_no_slow_service(told: Told) -> None:
    size = 24 << 20
    service = Service(answer=b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (size, bytes(size)))
    async with asyncio.timeout(SOON), serving(service, upstream=ONE) as rig, rig.caller() as caller:
        await caller.send(GET)
        # All is told before the caller has read a byte; the place is kept until it has.
        assert [call[1:] for call in await told.of(1)] == [(1, False)]
        assert bulkhead(rig).active == 1
        assert len((await caller.recv_response()).body) == size
        await empty(bulkhead(rig))
    assert len(told.calls) == 1


async def test_a_caller_that_sends_slowly_is_no_slow_service(told: Told) -> None:
    async with asyncio.timeout(SOON), serving(Service(), upstream=ONE) as rig, rig.caller() as caller:
        await caller.send(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nab")
        while not rig.upstream.connections:
            await asyncio.sleep(0.005)
        await asyncio.sleep(0.1)
        whole = monotonic()
        await caller.send(b"c")
        assert (await caller.recv_response()).status == 200
        assert told.calls[0][0] <= monotonic() - whole


async def test_time_in_the_queue_is_no_time_of_the_service(told: Told) -> None:
    service = Service()
    service.go.clear()
    async with asyncio.timeout(SOON), serving(service, upstream=ONE) as rig:
        first = asyncio.create_task(rig.call())
        await service.has(1)
        second = asyncio.create_task(rig.call())
        while not bulkhead(rig).waiting:
            await asyncio.sleep(0.005)
        await asyncio.sleep(0.1)
        begun = monotonic()
        service.go.set()
        assert [(await call).status for call in (first, second)] == [200, 200]
        assert told.calls[0][0] >= 0.09
        assert told.calls[1][0] <= monotonic() - begun


@pytest.mark.parametrize(
    ("answer", "overloaded"),
    [
        (b"200 OK", [False]),
        (b"404 Not Found", [False]),
        (b"429 Too Many Requests", [True]),
        (b"503 Service Unavailable", [True]),
        (b"401 Unauthorized", []),
        (b"500 Internal Server Error", []),
    ],
)
async def test_what_an_answer_says_about_the_service(told: Told, answer: bytes, overloaded: list[bool]) -> None:
    async with asyncio.timeout(SOON), serving(status(answer), upstream=ONE) as rig:
        assert (await rig.call()).status == int(answer[:3])
        await empty(bulkhead(rig))
    assert [call[2] for call in told.calls] == overloaded


async def test_a_service_that_does_not_answer_is_overloaded(told: Told) -> None:
    service = Service()
    service.go.clear()
    async with asyncio.timeout(SOON), serving(service, upstream=ONE | {"timeouts": {"first_byte": "100ms"}}) as rig:
        assert (await rig.call()).status == 504
        await empty(bulkhead(rig))
    assert [call[2] for call in told.calls] == [True]


async def test_what_the_broker_refuses_says_nothing(told: Told) -> None:
    service = Service()
    service.go.clear()
    async with asyncio.timeout(SOON), serving(service, upstream={"adaptive_concurrency": {"least": 1}}) as rig:
        first = asyncio.create_task(rig.call())
        await service.has(1)
        assert (await rig.call()).status == 503
        assert not told.calls
        service.go.set()
        assert (await first).status == 200
    assert len(told.calls) == 1


async def test_an_open_circuit_says_nothing(told: Told) -> None:
    breaker: Any = {"circuit_breaker": {"failures": 1}}
    async with asyncio.timeout(SOON), serving(status(b"502 Bad Gateway"), upstream=ONE | breaker) as rig:
        answers = [await rig.call() for _ in range(3)]
        assert [answer.headers("broker-error") for answer in answers] == [[], [b"circuit_open"], [b"circuit_open"]]
    assert not told.calls


async def test_a_call_whose_caller_left_is_told_when_the_service_is_done_with_it(told: Told) -> None:
    service = Service()
    service.go.clear()
    async with asyncio.timeout(SOON), serving(service, upstream=ONE) as rig:
        async with rig.caller() as caller:
            await caller.send(GET)
            await service.has(1)
        await asyncio.sleep(0.1)
        assert (told.calls, bulkhead(rig).active) == ([], 1)
        service.go.set()
        await empty(bulkhead(rig))
        assert [call[1:] for call in told.calls] == [(1, False)]
        assert told.calls[0][0] >= 0.09


async def test_an_answer_to_a_caller_that_left_says_what_any_answer_says(told: Told) -> None:
    for line, overloaded in ((b"503 Service Unavailable", [True]), (b"500 Internal Server Error", [])):
        service = Service(answer=status(line))
        service.go.clear()
        told.calls.clear()
        async with asyncio.timeout(SOON), serving(service, upstream=ONE) as rig:
            async with rig.caller() as caller:
                await caller.send(GET)
                await service.has(1)
            await asyncio.sleep(0.1)
            service.go.set()
            await empty(bulkhead(rig))
        assert [call[2] for call in told.calls] == overloaded
