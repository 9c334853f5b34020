"""A client that opens a connection to the old server for each call, against the same calls through the broker."""

import json
import subprocess
from collections.abc import Callable
from typing import Any

from bench.generator import Load, LoadError
from bench.lab import Running
from bench.obsolete.effort import Effort
from bench.obsolete.parts.calls import call_figures
from bench.obsolete.place import Place, cpu_of
from bench.obsolete.ways import SUITES as ALL_SUITES

SUITES = ("aes", "3des")
DIRECT = ("full", "resumed")
THREADS = 16
Round = dict[str, dict[str, Any]]


def run(place: Place, broker: Running, effort: Effort) -> dict[str, list[Round]]:
    """By suite. The client has the core that the broker has otherwise; the server is the same one."""
    ways = {suite: f"private-{suite}" for suite in SUITES}
    names = {way.name for way in place.ways}
    return {
        suite: [_round(place, broker, suite, name, effort) for _ in range(effort.rounds)]
        for suite, name in ways.items()
        if name in names
    }


def _round(place: Place, broker: Running, suite: str, name: str, effort: Effort) -> Round:
    shared: Load = {"path": f"/{name}/", "connections": THREADS, "seconds": effort.seconds}
    server = place.servers[ALL_SUITES[suite][0]]
    measures: dict[str, Callable[[], dict[str, Any]]] = {
        "full": lambda: _direct(place, suite, "full", effort),
        "resumed": lambda: _direct(place, suite, "resumed", effort),
        "kept": lambda: call_figures(place.load(broker, shared)),
        "percall": lambda: call_figures(place.load(broker, {**shared, "mode": "percall"})),
    }
    place.load(broker, {**shared, "seconds": effort.warmup})  # fills the pool
    found: Round = {}
    for kind, measure in measures.items():
        before = cpu_of(server)
        figures = measure()
        found[kind] = {**figures, "server_us": 1e6 * (cpu_of(server) - before) / figures["requests"]}
    return found


def _direct(place: Place, suite: str, kind: str, effort: Effort) -> dict[str, Any]:
    server, version, ciphers = ALL_SUITES[suite]
    words = [str(place.servers[server].port), version, ciphers, str(THREADS), str(effort.seconds), kind]
    command = ["taskset", "-c", str(place.cores.proxy), str(place.tools.client), *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    result: dict[str, Any] = json.loads(done.stdout)
    wanted = result["requests"] - THREADS if kind == "resumed" else 0
    if result["errors"] or not result["requests"] or result["resumed"] < wanted:
        raise LoadError(f"the direct client: {done.stdout} {done.stderr}")
    return {
        "requests": result["requests"],
        "rate": result["requests"] / result["seconds"],
        "cpu_us": 1e6 * result["cpu_seconds"] / result["requests"],
        "busy": result["cpu_seconds"] / result["seconds"],
    }
