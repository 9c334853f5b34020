"""What calls with an `Idempotency-Key` may take: of time without their caller, of places, and of what others need."""

import asyncio
from asyncio import StreamWriter
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from rig import serving

from broker.testing.raw import RawClient, RawResponse, RawUpstream
from broker.testing.raw.reader import RawReader, read_request

StartBroker = Callable[..., Awaitable[Any]]
SOON = 20.0
MADE = b"HTTP/1.1 201 Made So\r\nContent-Length: 4\r\n\r\nmade"
NTLM = {"credentials": {"type": "ntlm", "username": r"CORP\anna", "password": "env:ANNA"}}
KNOWN = {"fno": {"type": "api_key", "header": "X-Api-Key", "key": "env:FNO"}}
ROUTES = [
    {"name": "open", "match": {"path": "/open/"}, "callers": "public"},
    {"name": "orders", "match": {"path": "/orders/"}, "callers": ["fno"]},
]
FNO = {"FNO": "the-key-of-fno"}


def keyed(key: str, *lines: str, path: str = "/open/x", method: str = "POST", body: bytes = b"abc") -> bytes:
    head = [f"{method} {path} HTTP/1.1", "Host: localhost", f"Idempotency-Key: {key}", *lines]
    if body:
        head.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*head, "", ""]).encode() + body


def of_fno(key: str) -> bytes:
    return keyed(key, "X-Api-Key: the-key-of-fno", path="/orders/x")


def code(answer: RawResponse) -> tuple[int, bytes]:
    return answer.status, (answer.headers("broker-error") or [b""])[0]


class Slow:
    """Counts requests, and answers when told; sees how the connection ends."""

    def __init__(self, answer: bytes = MADE) -> None:
        self.asked, self.go, self.gone = asyncio.Semaphore(0), asyncio.Event(), asyncio.Event()
        self.answer = answer

    async def __call__(self, reader: RawReader, writer: StreamWriter) -> None:
        await read_request(reader)
        self.asked.release()
        await self.go.wait()
        if not writer.is_closing():
            writer.write(self.answer)
        try:
            await reader.some()
        except ConnectionError:
            pass
        self.gone.set()


async def leave(made: RawClient, request: bytes, slow: Slow) -> None:
    """Send a request, and hang up once it has reached the service."""
    async with made as caller:
        await caller.send(request)
        await slow.asked.acquire()
        await caller.abort()


@pytest.mark.parametrize("much", [30_000, 300_000], ids=["at once", "in pieces"])
async def test_an_answer_too_large_for_nobody_ends_with_its_connection(broker: StartBroker, much: int) -> None:
    slow = Slow(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + bytes(much))
    async with asyncio.timeout(SOON), RawUpstream(slow) as service:
        running = await broker(
            service.port,
            upstream={"max_concurrency": 1},
            route={"deadline": "60s"},
            idempotency_keys={"answer": "4KiB"},
        )
        await leave(running.client(), keyed("k"), slow)
        alone = running.app._compiled.idempotency_keys.alone
        while not alone:
            await asyncio.sleep(0.005)
        slow.go.set()
        await slow.gone.wait()
        assert not alone
        [(_, places)] = running.app._compiled.registry.bulkheads.values()
        assert places.active == 0
        assert code(await running.ask(keyed("k"), "POST")) == (409, b"idempotency_outcome_unknown")


async def test_an_answer_that_is_too_large_already_ends_with_its_caller(broker: StartBroker) -> None:
    slow = Slow(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + bytes(30_000))
    slow.go.set()
    async with asyncio.timeout(SOON), RawUpstream(slow) as service:
        running = await broker(service.port, route={"deadline": "60s"}, idempotency_keys={"answer": "4KiB"})
        came = 0
        async with running.client() as caller:
            await caller.send(keyed("k"))
            while came < 20_000:
                came += len(await caller.reader.some())
            await caller.abort()
        # Nothing more comes, and nobody waits for that until the deadline.
        await slow.gone.wait()
        assert running.app._compiled.idempotency_keys.room.taken == 0


@pytest.mark.parametrize(
    ("request_bytes", "forgotten"),
    [
        (keyed("k", path="/x"), True),
        (keyed("k", path="/x", method="DELETE", body=b""), False),
        (keyed("k", "Transfer-Encoding: chunked", path="/x", body=b"") + b"0\r\n\r\n", False),
    ],
    ids=["body left out", "no body", "empty body"],
)
async def test_a_step_of_a_login_is_the_call_only_where_there_is_no_body_to_leave_out(
    monkeypatch: pytest.MonkeyPatch, request_bytes: bytes, forgotten: bool
) -> None:
    async def gone(reader: RawReader, writer: StreamWriter) -> None:
        await read_request(reader)

    monkeypatch.setenv("ANNA", "s3cret-of-anna")
    async with asyncio.timeout(SOON), serving(gone, route=NTLM) as rig:
        assert code(await rig.call(request_bytes)) == (502, b"upstream_protocol_error")
        assert rig.upstream.requests
        assert all(b"abc" not in request for request in rig.upstream.requests)
        assert rig.app._compiled is not None
        assert (len(rig.app._compiled.idempotency_keys.store) == 0) is forgotten


async def test_a_stranger_takes_no_keys_from_those_who_are_known(broker: StartBroker, upstream: RawUpstream) -> None:
    running = await broker(upstream.port, callers=KNOWN, routes=ROUTES, env=FNO, idempotency_keys={"entries": 12})
    codes = [code(await running.ask(keyed(f"k{number}"), "POST")) for number in range(12)]
    assert codes == [(200, b"")] * 3 + [(503, b"overloaded")] * 9
    assert code(await running.ask(of_fno("mine"), "POST")) == (200, b"")


async def test_a_stranger_that_leaves_takes_no_places_from_those_who_are_known(broker: StartBroker) -> None:
    slow = Slow()
    async with asyncio.timeout(SOON), RawUpstream(slow) as service:
        running = await broker(service.port, callers=KNOWN, routes=ROUTES, env=FNO)
        alone = running.app._compiled.idempotency_keys.alone
        alone.most = 8
        tallies = running.app.tallies.routes
        for number in range(8):
            await leave(running.client(), keyed(f"k{number}"), slow)
        while tallies["open"].in_flight:
            await asyncio.sleep(0.005)
        assert len(alone) == 2
        await leave(running.client(), of_fno("mine"), slow)
        while tallies["orders"].in_flight:
            await asyncio.sleep(0.005)
        assert len(alone) == 3
        slow.go.set()
        await alone.over()
        answer = await running.ask(of_fno("mine"), "POST")
        assert (answer.status, answer.headers("idempotency-replayed")) == (201, [b"true"])
        assert not alone._of
        assert running.app._compiled.idempotency_keys.room._taken_by == {}
