"""Calls of 1 KB over pooled connections: what an engine costs once its handshakes are done."""

from typing import Any

from bench.generator import Load
from bench.lab import Running
from bench.obsolete.effort import Effort
from bench.obsolete.place import Place

SUITES = ("aes", "rc4", "3des", "ssl3")
Round = dict[str, dict[str, Any]]


def run(place: Place, broker: Running, effort: Effort) -> list[Round]:
    """All ways in turn, round after round, through one broker."""
    names = [way.name for way in place.ways if way.suite in SUITES]
    return [{name: _measure(place, broker, f"/{name}/", effort) for name in names} for _ in range(effort.rounds)]


def _measure(place: Place, broker: Running, path: str, effort: Effort) -> dict[str, Any]:
    load: Load = {"path": path, "connections": 32, "seconds": effort.seconds, "warmup": effort.warmup}
    return call_figures(place.load(broker, load))


def call_figures(result: dict[str, Any]) -> dict[str, Any]:
    """Calls a second, the broker's CPU time a call, and how busy its core was."""
    return {
        "requests": result["requests"],
        "rate": result["requests"] / result["seconds"],
        "cpu_us": 1e6 * result["cpu_seconds"] / result["requests"],
        "busy": result["cpu_seconds"] / result["seconds"],
        "p99_ms": result["latency_us"]["p99"] / 1000,
    }
