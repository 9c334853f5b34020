"""One rate for two broker processes, with one Redis and without: `python -m bench.shared_limits [SECONDS]`.

Both processes run the same routes file and are offered three times the rate between them. Prints what each granted. It
needs `redis-server`.
"""

import asyncio
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import yaml
from aiohttp import web

from bench.process import free_port
from bench.reloads import answer, ready
from broker.testing.contexts import client_context
from broker.testing.pki import Authority
from broker.testing.redis_server import RedisServer

AUTHORITY = Authority.create("Limits CA")
RATE = 100
BURST = 100
OFFERED = 150
"""Calls a second to each process."""
CONNECTIONS = 15
"""To each process."""


@dataclass
class Told:
    """What one process answered, by status; when it granted calls, and how long each took but the first of each caller.

    That one includes the handshake.
    """

    statuses: Counter[int] = field(default_factory=Counter)
    when: list[float] = field(default_factory=list)
    took: list[float] = field(default_factory=list)


def document(back: int, listener: int, admin: int, store: str | None) -> dict[str, Any]:
    """The routes file."""
    tls = {"certificates": [{"chain": "server.crt", "key": "server.key"}]}
    route = {"name": "all", "callers": "public", "upstream": "back", "rate": f"{RATE}/s"}
    return {
        "version": 1,
        "admin": {"bind": f"127.0.0.1:{admin}"},
        "log": {"access": False, "level": "error"},
        "limits": {} if store is None else {"store": store},
        "listeners": {"in": {"bind": f"127.0.0.1:{listener}", "tls": tls}},
        "upstreams": {"back": {"targets": [f"http://127.0.0.1:{back}"]}},
        "routes": [route],
    }


@contextmanager
def process(base: Path, routes: dict[str, Any]) -> Iterator[None]:
    """A broker."""
    base.mkdir()
    AUTHORITY.issue().write(base, "server")
    (base / "routes.yaml").write_text(yaml.safe_dump(routes))
    broker = subprocess.Popen([sys.executable, "-m", "broker", "run"], cwd=base)
    try:
        yield
    finally:
        broker.terminate()
        broker.wait(60)


async def caller(port: int, told: Told, until: float) -> None:
    """Its share of what is offered, at even distances."""
    connector = aiohttp.TCPConnector(ssl=client_context(AUTHORITY.ca_pem), limit=1)
    async with aiohttp.ClientSession(connector=connector) as session:
        due = started = time.monotonic()
        while time.monotonic() < until:
            before = time.monotonic()
            async with session.get(f"https://localhost:{port}/") as response:
                await response.read()
                told.statuses[response.status] += 1
            if response.status == 200:
                told.when.append(time.monotonic())
                if due > started:
                    told.took.append(time.monotonic() - before)
            due += CONNECTIONS / OFFERED
            await asyncio.sleep(due - time.monotonic())


async def run(base: Path, seconds: float, back: int, store: str | None) -> tuple[list[Told], float]:
    """Two processes under load: what they answered, and the seconds from the first grant to the last.

    Before the first the bucket is full, and what drips in is lost.
    """
    listeners, admins = [free_port(), free_port()], [free_port(), free_port()]
    told = [Told(), Told()]
    with ExitStack() as stack:
        for index, (listener, admin) in enumerate(zip(listeners, admins, strict=True)):
            stack.enter_context(process(base / f"{store is None}{index}", document(back, listener, admin, store)))
        for admin in admins:
            await ready(admin)
        begun = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for port, one in zip(listeners, told, strict=True):
                for _ in range(CONNECTIONS):
                    group.create_task(caller(port, one, begun + seconds))
    granted = [when for one in told for when in one.when]
    return told, max(granted) - min(granted)


def row(name: str, buckets: int, told: list[Told], seconds: float) -> str:
    """A line of the table."""
    granted = [one.statuses[200] for one in told]
    others = sum(count for one in told for status, count in one.statuses.items() if status not in (200, 429))
    offered = sum(one.statuses.total() for one in told) / seconds
    # What may come at once comes once for each bucket, whatever the time; the rest is the rate.
    rate = (sum(granted) - buckets * BURST) / seconds
    took = sorted(took for one in told for took in one.took)
    median, late = (1000 * took[int(share * len(took))] for share in (0.5, 0.99))
    both = " + ".join(map(str, granted))
    return (
        f"| {name} | {offered:.0f}/s | {both} | {rate:.1f}/s | {100 * (rate / RATE - 1):+.1f} % | {others} "
        f"| {median:.1f} ms, {late:.1f} ms |"
    )


async def main(seconds: float) -> None:
    """Start all parts, measure, print."""
    program = shutil.which("redis-server")
    if program is None:
        sys.exit("redis-server is missing: install the Debian package redis-server")
    upstream = web.Application()
    upstream.router.add_route("*", "/{tail:.*}", answer)
    runner = web.AppRunner(upstream, access_log=None)
    await runner.setup()
    back = free_port()
    await web.TCPSite(runner, "127.0.0.1", back).start()
    print(f"Two processes, {RATE}/s, {seconds:g} s:\n")
    print("| limits | offered | granted by each | rate, less the bursts | off by | failed | median, p99 of a grant |")
    print("|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as directory:
        base = Path(directory)
        with RedisServer(program, base) as server:
            store = f"redis://127.0.0.1:{server.port}"
            print(row("shared through Redis", 1, *await run(base, seconds, back, store)), flush=True)
        print(row("each its own", 2, *await run(base, seconds, back, None)))
    await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(main(float(sys.argv[1]) if len(sys.argv) > 1 else 20))
