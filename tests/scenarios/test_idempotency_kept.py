"""What is remembered of an `Idempotency-Key` outlives configurations, and ends with the process."""

import asyncio
import logging
from asyncio import StreamWriter
from pathlib import Path

import pytest
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


async def left_alone(place: Place, slow: Slow) -> None:
    """Have a call whose caller has left."""
    async with place.caller() as caller:
        await caller.send(POST)
        await slow.asked.wait()
        await caller.abort()
    while not place.app._compiled.idempotency_keys.alone:
        await asyncio.sleep(0.005)


async def test_a_broker_that_drains_waits_for_the_calls_without_callers(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    slow = Slow()
    caplog.set_level(logging.INFO, "broker")
    async with asyncio.timeout(PATIENCE), reloading(tmp_path, slow) as (place, upstream):
        await left_alone(place, slow)
        stopping = asyncio.create_task(place.app.drain(grace=False))
        await asyncio.sleep(0.2)
        assert not stopping.done()
        slow.go.set()
        await stopping
        store = place.app._compiled.idempotency_keys.store
        assert store.memory > 0
        assert len(upstream.requests) == 1
    [draining] = [record for record in caplog.records if getattr(record, "event", "") == "draining"]
    assert getattr(draining, "calls", 0) == 1
    assert not [record for record in caplog.records if getattr(record, "event", "") == "drain_timeout"]


async def test_a_call_without_its_caller_that_outlasts_the_drain_is_cut_and_told_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    slow = Slow()
    async with asyncio.timeout(PATIENCE), reloading(tmp_path, slow) as (place, upstream):
        await left_alone(place, slow)
        await place.app.stop(0.1)
        assert not place.app._compiled.idempotency_keys.alone
        [connection] = upstream.connections
        slow.go.set()
        while connection.open:
            await asyncio.sleep(0.005)
    late = [record for record in caplog.records if getattr(record, "event", "") == "drain_timeout"]
    assert [getattr(record, "calls", None) or getattr(record, "route", None) for record in late] == [1, "all"]
    assert "its caller had left" in late[1].getMessage()


async def test_a_broker_that_stops_ends_the_calls_without_callers(tmp_path: Path) -> None:
    slow = Slow()
    async with asyncio.timeout(PATIENCE), reloading(tmp_path, slow) as (place, upstream):
        await left_alone(place, slow)
        await place.app.stop(0)
        assert not place.app._compiled.idempotency_keys.alone
        [connection] = upstream.connections
        slow.go.set()
        while connection.open:
            await asyncio.sleep(0.005)
