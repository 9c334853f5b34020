"""How much goes through, and what it costs: closed loops of calls, and large bodies."""

from collections.abc import Callable, Sequence
from typing import Any

from bench.cases.case import Case, Effort, Figures, Round, alternate
from bench.generator import Load
from bench.lab import Lab, Running
from bench.peers import Peer

MIB = 2**20


def _closed(effort: Effort, **more: str | int | float | bool) -> Load:
    return {"connections": 32, "seconds": effort.seconds, "warmup": effort.warmup, **more}


def _keepalive(effort: Effort) -> Load:
    return _closed(effort)


def _expect(effort: Effort) -> Load:
    return _closed(effort, method="POST", body=16384, expect=True)


def _per_call(effort: Effort, tls: int) -> Load:
    return _closed(effort, mode="percall", connections=16, tls=tls)


def _down(effort: Effort) -> Load:
    return {"path": f"/bytes/{effort.body_bytes}", "count": 1, "seconds": 100}


def _up(effort: Effort) -> Load:
    return {"method": "POST", "body": effort.body_bytes, "count": 1, "seconds": 100}


def call_figures(result: dict[str, Any]) -> Figures:
    """Calls a second, CPU time a call, and how busy the proxy's core was: below 1 the generator set the pace."""
    return {
        "rate": result["requests"] / result["seconds"],
        "cpu_us": 1e6 * result["cpu_seconds"] / result["requests"],
        "busy": result["cpu_seconds"] / result["seconds"],
        "waited": result["waited_seconds"] / result["seconds"],
        "p50_us": result["latency_us"]["p50"],
        "p99_us": result["latency_us"]["p99"],
        "requests": result["requests"],
        "protocol": result["protocol"],
        "cipher": result["cipher"],
    }


def body_figures(result: dict[str, Any], size: int) -> Figures:
    """MiB a second, and CPU time a MiB."""
    mib = size / MIB
    return {
        "rate": mib / result["seconds"],
        "cpu_us": 1e6 * result["cpu_seconds"] / mib,
        "busy": result["cpu_seconds"] / result["seconds"],
        "waited": result["waited_seconds"] / result["seconds"],
        "protocol": result["protocol"],
        "cipher": result["cipher"],
    }


def _calls(make: Callable[[Effort], Load]) -> Callable[[Lab, Sequence[Peer], Effort], list[Round]]:
    def run(lab: Lab, peers: Sequence[Peer], effort: Effort) -> list[Round]:
        def measure(peer: Running) -> Figures:
            return call_figures(lab.load(peer, make(effort)))

        return alternate(lab, peers, effort.rounds, measure)

    return run


def _bodies(make: Callable[[Effort], Load]) -> Callable[[Lab, Sequence[Peer], Effort], list[Round]]:
    def run(lab: Lab, peers: Sequence[Peer], effort: Effort) -> list[Round]:
        def measure(peer: Running) -> Figures:
            return body_figures(lab.load(peer, make(effort)), effort.body_bytes)

        return alternate(lab, peers, effort.rounds, measure)

    return run


CASES = (
    Case("keepalive", "GET of 1 KB, 32 keep-alive connections", "calls", _calls(_keepalive)),
    Case(
        "expect",
        "SOAP POST of 16 KB with `Expect: 100-continue`, 32 keep-alive connections",
        "calls",
        _calls(_expect),
    ),
    Case(
        "connect13",
        "One connection per call, full TLS 1.3 handshake, 16 at a time",
        "calls",
        _calls(lambda effort: _per_call(effort, 13)),
    ),
    Case(
        "connect12",
        "One connection per call, full TLS 1.2 handshake, 16 at a time",
        "calls",
        _calls(lambda effort: _per_call(effort, 12)),
    ),
    Case("down", "Answer of 256 MiB", "bodies", _bodies(_down)),
    Case("up", "Request of 256 MiB", "bodies", _bodies(_up)),
)
