"""Limits are changed while calls go on: whoever is under way counts, and no change lets a burst through."""

import asyncio
from pathlib import Path
from typing import Any

from scenario_reload import OK, PATIENCE, Place, reloading

from broker.testing.raw.reader import RawReader, read_head

BUSY = b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"


class Gauge:
    """An upstream that answers when it is told to, and knows how many calls it had at a time."""

    def __init__(self) -> None:
        self.now = self.most = 0
        self.go = asyncio.Semaphore(0)

    async def __call__(self, reader: RawReader, writer: asyncio.StreamWriter) -> None:
        while await read_head(reader):
            self.now += 1
            self.most = max(self.most, self.now)
            await self.go.acquire()
            self.now -= 1
            writer.write(OK)

    async def has(self, calls: int) -> None:
        while self.now < calls:
            await asyncio.sleep(0.005)


def back(place: Place) -> Any:
    return place.document["upstreams"]["back"]


async def test_old_and_new_calls_together_are_never_above_the_limit(tmp_path: Path) -> None:
    gauge = Gauge()

    def limited(place: Place) -> None:
        back(place).update(max_concurrency=2, queue={"size": 20, "wait": "20s"})

    async with asyncio.timeout(2 * PATIENCE), reloading(tmp_path, gauge, change=limited) as (place, _):
        calls = []
        for size in (21, 22, 23):
            calls += [asyncio.create_task(place.status()) for _ in range(3)]
            await gauge.has(2)
            back(place)["queue"]["size"] = size
            await place.reloaded()
        await asyncio.sleep(0.1)
        assert gauge.most == 2
        back(place)["max_concurrency"] = 3
        await place.reloaded()
        await gauge.has(3)
        del back(place)["max_concurrency"]
        back(place)["adaptive_concurrency"] = {"least": 2}
        await place.reloaded()
        for _ in calls:
            gauge.go.release()
        assert [await call for call in calls] == [200] * len(calls)
    assert gauge.most == 3


async def test_a_reload_that_fails_leaves_the_limit_as_it_is(tmp_path: Path) -> None:
    gauge = Gauge()
    async with asyncio.timeout(2 * PATIENCE), reloading(tmp_path, gauge) as (place, _):
        back(place)["max_concurrency"] = 1
        await place.reloaded()
        call = asyncio.create_task(place.status())
        await gauge.has(1)
        back(place)["max_concurrency"] = 9
        place.document["listeners"]["in"]["bind"] = "192.0.2.1:8443"
        assert (await place.reload()).outcome == "failure"
        assert await place.status() == 503
        gauge.go.release()
        assert await call == 200


async def test_another_rate_lets_no_burst_through(tmp_path: Path) -> None:
    async with asyncio.timeout(2 * PATIENCE), reloading(tmp_path) as (place, _):
        statuses = []
        for burst in (3, 30, 4):
            back(place)["rate"] = f"3/h burst {burst}"
            await place.reloaded()
            statuses += [await place.status() for _ in range(4)]
        assert statuses == [200] * 3 + [429] * 9


async def test_a_circuit_that_is_open_stays_open(tmp_path: Path) -> None:
    async with asyncio.timeout(2 * PATIENCE), reloading(tmp_path, BUSY) as (place, upstream):
        back(place)["circuit_breaker"] = {"failures": 2, "open_for": "1m"}
        await place.reloaded()
        for failures in (9, 20):
            assert [await place.status() for _ in range(3)] == [503] * 3
            back(place)["circuit_breaker"]["failures"] = failures
            await place.reloaded()
        assert len(upstream.requests) == 2
