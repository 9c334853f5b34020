"""The good caller: calls at a constant rate, most on kept connections, some on a connection of their own each."""

import json
import subprocess
from dataclasses import dataclass
from typing import Any

from bench import generator
from bench.attack.scenario import CALLS, FRESH, KEPT, Scenario
from bench.generator import Load, LoadError
from bench.lab import Lab, Running

_CONNECTIONS = {KEPT: 8, FRESH: 16}
_MODES = {KEPT: "open", FRESH: "fresh"}
_WARMUP = 0.5


@dataclass(frozen=True)
class Window:
    """What was seen in one: latencies in µs by kind of call, calls that failed or got no answer, CPU seconds."""

    samples: dict[str, list[float]]
    failed: int
    cpu_seconds: float


def call(lab: Lab, target: Running, scenario: Scenario) -> Window:
    """One window; failed calls are counted and raise nothing."""
    rates = {KEPT: scenario.kept_rate, FRESH: scenario.fresh_rate}
    running = {kind: _start(lab, target, _load(kind, rates[kind], scenario.window)) for kind in CALLS}
    seen = {kind: _result(process) for kind, process in running.items()}
    failed = sum(each["errors"] + each["unanswered"] for each in seen.values())
    samples = {kind: each["samples_us"] for kind, each in seen.items()}
    return Window(samples, failed, seen[KEPT]["cpu_seconds"])


def _load(kind: str, rate: float, seconds: float) -> Load:
    return {
        "mode": _MODES[kind],
        "connections": _CONNECTIONS[kind],
        "rate": rate,
        "seconds": seconds,
        "warmup": _WARMUP,
        "raw": True,
    }


def _start(lab: Lab, target: Running, load: Load) -> "subprocess.Popen[str]":
    words = generator.arguments(target.port, load, target.process.tree())
    argv = ["taskset", "-c", str(lab.cores.generator), str(lab.tools.generator), *words]
    return subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)


def _result(process: "subprocess.Popen[str]") -> dict[str, Any]:
    output, _ = process.communicate(timeout=150)
    if not output:
        raise LoadError(f"the good caller ended with exit code {process.returncode}")
    result: dict[str, Any] = json.loads(output)
    return result
