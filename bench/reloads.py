"""A thousand reloads under load, half of them of broken files: `python -m bench.reloads [COUNT]`.

Prints what became of the calls, how long reloads took, and how much the process has grown.
"""

import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import aiohttp
import yaml
from aiohttp import web

from broker.testing.contexts import client_context
from broker.testing.pki import Authority

AUTHORITY = Authority.create("Reloads CA")
ROUTES = 200
CALLERS = 4
LIMIT = 170.0
"""Seconds after which no further reload is begun."""


def document(port: int, admin: int, listener: int, turn: int) -> dict[str, Any]:
    """The routes file of a turn: a route, a caller, an upstream's settings and a listener are always others."""
    certificates = [{"chain": "server.crt", "key": "server.key"}]
    bound = {"tls": {"certificates": certificates}}
    routes = [
        {"name": f"r{index}", "match": {"path": f"/{index}/"}, "callers": "public", "upstream": "back"}
        for index in range(ROUTES)
    ]
    routes.append({"name": f"turn{turn}", "match": {"path": "/turn"}, "callers": [f"c{turn}"], "upstream": "back"})
    listeners = {"in": {"bind": f"127.0.0.1:{listener}", **bound}}
    if turn % 4 == 0:
        listeners["extra"] = {"bind": "127.0.0.1:0", **bound}
        routes.append({"name": "extra", "listener": "extra", "callers": "public", "upstream": "back"})
    for route in routes:
        route.setdefault("listener", "in")
    upstream = {"targets": [f"http://127.0.0.1:{port}"], "timeouts": {"connect": f"{1 + turn % 7}s"}}
    return {
        "version": 1,
        "admin": {"bind": f"127.0.0.1:{admin}"},
        "log": {"access": False, "level": "error"},
        "reload": {"watch": False},
        "listeners": listeners,
        "upstreams": {"back": upstream},
        "callers": {f"c{turn}": {"type": "api_key", "key": "env:BENCH_KEY"}},
        "routes": routes,
    }


def free_ports(count: int) -> list[int]:
    """Ports that nothing listens on."""
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


class Process:
    """What the kernel knows of the broker."""

    def __init__(self, pid: int) -> None:
        self._path = Path(f"/proc/{pid}")

    def state(self) -> dict[str, int]:
        """Resident memory in KiB, threads and descriptors."""
        lines = dict(line.split(":", 1) for line in (self._path / "status").read_text().splitlines())
        return {
            "rss_kib": int(lines["VmRSS"].split()[0]),
            "threads": int(lines["Threads"]),
            "fds": len(list((self._path / "fd").iterdir())),
        }


async def load(url: str, told: Counter[str], stop: asyncio.Event) -> None:
    """Calls without a pause."""
    connector = aiohttp.TCPConnector(ssl=client_context(AUTHORITY.ca_pem))
    async with aiohttp.ClientSession(connector=connector) as session:
        while not stop.is_set():
            try:
                async with session.post(f"{url}/7/x", data=b"x" * 500) as answer:
                    told[str(answer.status)] += 1
            except aiohttp.ClientError as error:
                told[repr(error)] += 1


async def reloads(base: Path, count: int, ports: list[int], process: Process) -> dict[str, Any]:
    """Do them all, under load."""
    back, admin, listener = ports
    told: Counter[str] = Counter()
    stop = asyncio.Event()
    callers = [asyncio.create_task(load(f"https://localhost:{listener}", told, stop)) for _ in range(CALLERS)]
    outcomes: Counter[str] = Counter()
    seconds: list[float] = []
    states: list[tuple[int, dict[str, int]]] = []
    began = time.monotonic()
    async with aiohttp.ClientSession() as session:
        for turn in range(count):
            if time.monotonic() - began > LIMIT:
                break
            broken = turn % 2 == 1
            text = "routes: [" if broken else yaml.dump(document(back, admin, listener, turn), Dumper=yaml.CSafeDumper)
            (base / "routes.yaml").write_text(text)
            start = time.monotonic()
            async with session.post(f"http://127.0.0.1:{admin}/reload") as answer:
                outcomes[(await answer.json())["last_reload"]["outcome"]] += 1
            if not broken:
                seconds.append(time.monotonic() - start)
            if turn % max(count // 10, 1) == 0:
                states.append((turn, process.state()))
        # The remains of the last ones are collected after a while.
        await asyncio.sleep(6)
        states.append((sum(outcomes.values()), process.state()))
    stop.set()
    await asyncio.gather(*callers)
    seconds.sort()
    return {
        "reloads": dict(outcomes),
        "seconds": round(time.monotonic() - began, 1),
        "reload_ms": {"median": round(1000 * seconds[len(seconds) // 2], 1), "slowest": round(1000 * seconds[-1], 1)},
        "calls": dict(told),
        "states": states,
        # The first tenth warms caches up; what comes after it is growth.
        "rss_growth_kib": states[-1][1]["rss_kib"] - states[1][1]["rss_kib"],
    }


async def answer(request: web.Request) -> web.Response:
    """The upstream."""
    await request.read()
    return web.Response(body=b"ok")


async def main(count: int) -> None:
    """Start all parts, measure, print."""
    with tempfile.TemporaryDirectory() as directory:
        base = Path(directory)
        AUTHORITY.issue().write(base, "server")
        upstream = web.Application()
        upstream.router.add_route("*", "/{tail:.*}", answer)
        runner = web.AppRunner(upstream, access_log=None)
        await runner.setup()
        ports = free_ports(3)
        await web.TCPSite(runner, "127.0.0.1", ports[0]).start()
        (base / "routes.yaml").write_text(yaml.dump(document(*ports, 0), Dumper=yaml.CSafeDumper))
        environment = {**os.environ, "BENCH_KEY": "the-key-of-the-bench"}
        command = [sys.executable, "-m", "broker", "run"]
        broker = subprocess.Popen(command, cwd=base, env=environment, stderr=subprocess.DEVNULL)
        try:
            await ready(ports[1])
            print(json.dumps(await reloads(base, count, ports, Process(broker.pid)), indent=2))
        finally:
            broker.terminate()
            broker.wait(60)
            await runner.cleanup()


async def ready(port: int) -> None:
    """Wait for the broker."""
    async with asyncio.timeout(30), aiohttp.ClientSession() as session:
        while True:
            try:
                async with session.get(f"http://127.0.0.1:{port}/readyz") as page:
                    if page.status == 200:
                        return
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.1)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000))
