"""What is remembered of an `Idempotency-Key` outlives configurations, and ends with the process."""

import asyncio
from asyncio import StreamWriter
from pathlib import Path

from scenario_reload import OK, PATIENCE, Place, reloading

from broker.testing.raw import RawResponse
from broker.testing.raw.reader import RawReader, read_request

POST = b"POST /orders HTTP/1.1\r\nHost: localhost\r\nIdempotency-Key: k-1\r\nContent-Length: 3\r\n\r\nabc"


class Slow:
    """An upstream that answers when it is told to."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.go = asyncio.Event()

    async def __call__(self, reader: RawReader, writer: StreamWriter) -> None:
        while await read_request(reader):
            self.asked.set()
            await self.go.wait()
            writer.write(OK)


async def call(place: Place) -> RawResponse:
    async with asyncio.timeout(PATIENCE), place.caller() as caller:
        await caller.send(POST)
        return await caller.recv_response("POST")


def replayed(answer: RawResponse) -> tuple[int, bool]:
    return answer.status, answer.headers("idempotency-replayed") == [b"true"]


async def test_a_key_is_remembered_through_reloads_whatever_they_change(tmp_path: Path) -> None:
    async with reloading(tmp_path) as (place, upstream):
        assert replayed(await call(place)) == (200, False)
        place.document["idempotency_keys"] = {"window": "1h", "entries": 5}
        report = await place.reloaded()
        assert report.changes["settings"] == {"changed": ["idempotency_keys"]}
        place.document["upstreams"]["back"]["timeouts"] = {"connect": "1s"}
        place.document["routes"] = [place.route("all", "/", deadline="3s"), place.route("new", "/new")]
        await place.reloaded()
        assert replayed(await call(place)) == (200, True)
        assert len(upstream.requests) == 1
        assert await place.metric("broker_idempotency_keys") == 1
        assert await place.metric('broker_idempotent_replays_total{route="all"}') == 1
        place.document["idempotency_keys"] = {"window": "1ms"}
        await place.reloaded()
        assert await place.metric("broker_idempotency_keys") == 0
        assert replayed(await call(place)) == (200, False)


async def test_a_call_without_its_caller_survives_a_reload(tmp_path: Path) -> None:
    slow = Slow()
    async with reloading(tmp_path, slow) as (place, upstream):
        async with place.caller() as caller:
            await caller.send(POST)
            await slow.asked.wait()
            await caller.abort()
        place.document["upstreams"]["back"]["timeouts"] = {"connect": "1s"}
        await place.reloaded()
        repeat = asyncio.create_task(call(place))
        await asyncio.sleep(0.05)
        slow.go.set()
        assert replayed(await repeat) == (200, True)
        assert len(upstream.requests) == 1


async def test_a_broker_that_stops_ends_the_calls_without_callers(tmp_path: Path) -> None:
    slow = Slow()
    async with asyncio.timeout(PATIENCE), reloading(tmp_path, slow) as (place, upstream):
        async with place.caller() as caller:
            await caller.send(POST)
            await slow.asked.wait()
            await caller.abort()
        while not place.app._compiled.idempotency_keys.alone:
            await asyncio.sleep(0.005)
        await place.app.stop(0)
        assert not place.app._compiled.idempotency_keys.alone
        [connection] = upstream.connections
        slow.go.set()
        while connection.open:
            await asyncio.sleep(0.005)
