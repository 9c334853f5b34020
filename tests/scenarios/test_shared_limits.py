"""Broker processes that share their limits through one Redis, and go on without it."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self

import aiohttp
import pytest
from needs import needs
from scenario_redis import until
from scenario_reload import OK, get
from test_kill import Process

from broker.testing.raw import RawClient, RawUpstream
from broker.testing.redis_server import RedisServer

PATIENCE = 40.0
CONNECTIONS = 6
"""To each process."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    with RedisServer(needs("redis-server"), tmp_path) as running:
        yield running


class Replica:
    """One of the processes."""

    def __init__(self, process: Process, port: int, admin: int) -> None:
        self.process = process
        self.lines: list[dict[str, Any]] = []
        self._port = port
        self._admin = admin

    async def metric(self, name: str) -> float:
        """Its value now."""
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://127.0.0.1:{self._admin}/metrics") as page,
        ):
            [line] = [line for line in (await page.text()).splitlines() if line.startswith(f"{name} ")]
            return float(line.rpartition(" ")[2])

    def caller(self) -> RawClient:
        return RawClient(self._port, ca=self.process.authority.ca_pem)

    async def happened(self, event: str, times: int = 1) -> None:
        """Wait for the log to say so as often as that."""
        await until(lambda: sum(line["event"] == event for line in self.lines) >= times)


class Load:
    """Calls to all replicas, `each` a second to each, for as long as the block lasts."""

    def __init__(self, replicas: list[Replica], each: float) -> None:
        self._replicas = replicas
        self._pause = CONNECTIONS / each
        self._going = True
        self.answers: Counter[int] = Counter()
        self.granted: list[float] = []
        """When."""
        self.longest = 0.0
        """Seconds that a call took."""

    async def __aenter__(self) -> Self:
        self._callers = [
            asyncio.create_task(self._call(replica)) for replica in self._replicas for _ in range(CONNECTIONS)
        ]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._going = False
        await asyncio.gather(*self._callers)

    async def more(self, calls: int) -> None:
        """Wait for so many answers more."""
        enough = self.answers.total() + calls
        await until(lambda: self.answers.total() >= enough)

    async def _call(self, replica: Replica) -> None:
        async with replica.caller() as caller:
            due = time.monotonic()
            while self._going:
                before = time.monotonic()
                await caller.send(get())
                status = (await caller.recv_response()).status
                self.answers[status] += 1
                if status == 200:
                    self.granted.append(time.monotonic())
                self.longest = max(self.longest, time.monotonic() - before)
                # Like a clock: who was held up catches up.
                due += self._pause
                await asyncio.sleep(due - time.monotonic())


@asynccontextmanager
async def replicas(
    base: Path, server: RedisServer, port: Callable[[], int], rate: str
) -> AsyncIterator[tuple[Replica, Replica]]:
    """Two processes whose route has this rate."""
    made = []
    async with RawUpstream(OK) as upstream:
        for name in ("one", "two"):
            (base / name).mkdir()
            ports = port(), port()
            process = Process(
                base / name,
                ports[0],
                admin={"bind": f"127.0.0.1:{ports[1]}"},
                limits={"store": f"redis://127.0.0.1:{server.port}", "store_timeout": "500ms"},
                upstreams={"back": {"targets": [f"http://127.0.0.1:{upstream.port}"]}},
                routes=[{"name": "all", "match": {"path": "/"}, "callers": "public", "upstream": "back", "rate": rate}],
            )
            made.append(Replica(process, *ports))
        one, two = made
        async with one.process.running(one.lines), two.process.running(two.lines):
            yield one, two


async def test_two_processes_keep_one_limit_between_them(
    tmp_path: Path, server: RedisServer, unused_tcp_port_factory: Callable[[], int]
) -> None:
    burst = rate = 100
    async with (
        asyncio.timeout(PATIENCE),
        replicas(tmp_path, server, unused_tcp_port_factory, f"{rate}/s") as both,
        Load(list(both), 150) as load,
    ):
        await asyncio.sleep(4)
    assert set(load.answers) == {200, 429}
    # Before the first call is granted the bucket is full, so the time begins with it.
    seconds = max(load.granted) - min(load.granted)
    assert load.answers.total() > 1.5 * rate * seconds, "there was no load"
    # What may come at once comes once, whatever the time; the rest is the rate.
    assert (load.answers[200] - burst) / seconds == pytest.approx(rate, rel=0.05), (load.answers, seconds)
    assert [line for line in both[0].lines + both[1].lines if line["level"] == "error"] == []


async def test_no_call_fails_when_the_server_is_killed_or_frozen_under_load(
    tmp_path: Path, server: RedisServer, unused_tcp_port_factory: Callable[[], int]
) -> None:
    async with (
        asyncio.timeout(PATIENCE),
        replicas(tmp_path, server, unused_tcp_port_factory, "50/s burst 10") as both,
        Load(list(both), 60) as load,
    ):
        await load.more(50)
        assert [await one.metric("broker_limits_store_up") for one in both] == [1, 1]
        for times, (end, begin) in enumerate([(server.kill, server.start), (server.freeze, server.thaw)], 1):
            end()
            for one in both:
                await one.happened("limits_store_away", times)
            await load.more(50)
            assert [await one.metric("broker_limits_store_up") for one in both] == [0, 0]
            assert all([await one.metric("broker_limits_store_fallback_total") > 0 for one in both])
            await asyncio.to_thread(begin)
            for one in both:
                await one.happened("limits_store_back", times)
            assert [await one.metric("broker_limits_store_up") for one in both] == [1, 1]
            await load.more(50)
    assert set(load.answers) == {200, 429}
    assert load.longest < 5
    told = Counter(line["event"] for one in both for line in one.lines if line["event"].startswith("limits_store"))
    assert told == {"limits_store_away": 4, "limits_store_back": 4}
