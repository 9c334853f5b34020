"""The phases that a proxy goes through, and what was seen in them."""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

from bench.attack.caller import call
from bench.attack.scenario import ATTACK, IDLE, PHASES, UNLOADED, Scenario
from bench.cases.case import say
from bench.cases.idle import idle_connections
from bench.generator import LoadError
from bench.lab import Lab, Running
from bench.memory import peak_rss, read_memory
from bench.peers import PEERS
from bench.process import ROOT

_SETTLE = 2.0
_LONGEST = 600
"""Seconds that idle connections are kept, by generator and proxies: longer than a run takes."""
_ATTACKERS = ("-m", "bench.attack.attackers")
_ROOM = 16384
"""Connections that a proxy has to make room for, to both sides."""


def run_proxy(lab: Lab, name: str, scenario: Scenario) -> dict[str, Any]:
    """All phases with one proxy, and its memory between them."""
    found: dict[str, Any] = {"memory": {}, "phases": {}}
    with lab.start(PEERS[name], connections=_ROOM, idle_seconds=_LONGEST) as target:
        _phase(lab, target, scenario, UNLOADED, found)
        with idle_connections(lab, target, scenario.idle, _LONGEST):
            _phase(lab, target, scenario, IDLE, found)
            with attackers(lab, target, scenario) as attack:
                _phase(lab, target, scenario, ATTACK, found)
            found["attack"] = attack
            found["memory"]["peak_rss"] = peak_rss(target.process.tree())
            _remember(target, "after", found)
        _remember(target, "alone", found)
    return found


def _phase(lab: Lab, target: Running, scenario: Scenario, name: str, found: dict[str, Any]) -> None:
    if name != ATTACK:
        _warm(lab, target, name)
        _remember(target, name, found)
    windows = []
    for _ in range(scenario.windows[PHASES.index(name)]):
        waited = target.process.waited()
        window = call(lab, target, scenario)
        windows.append({**window.__dict__, "waited": target.process.waited() - waited})
    if name == ATTACK:
        _remember(target, name, found)
    found["phases"][name] = windows
    say(f"  {target.name}, {name}: done")


def _warm(lab: Lab, target: Running, phase: str) -> None:
    """What a first call sets up is not counted as a connection's memory."""
    if phase == UNLOADED:
        lab.load(target, {"count": 200, "connections": 8, "seconds": 20})


def _remember(target: Running, when: str, found: dict[str, Any]) -> None:
    if when != ATTACK:
        time.sleep(_SETTLE)
    memory = read_memory(target.process.tree())
    found["memory"][when] = {"rss": memory.rss, "pss": memory.pss}


@contextlib.contextmanager
def attackers(lab: Lab, target: Running, scenario: Scenario) -> Iterator[dict[str, Any]]:
    """All of them at work, on what the good caller leaves of the generator's core; filled when they are gone."""
    words = [str(target.port), str(scenario.attackers), str(scenario.ramp)]
    process = subprocess.Popen(
        ["taskset", "-c", str(lab.cores.generator), *_giving_way(), sys.executable, *_ATTACKERS, *words],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    seen: dict[str, Any] = {}
    assert process.stdout
    if process.stdout.readline() != "ready\n":
        process.kill()
        raise LoadError("the attackers did not start")
    begun = time.monotonic()
    try:
        yield seen
    finally:
        output, _ = process.communicate(timeout=30)
    seen.update(json.loads(output), seconds=time.monotonic() - begun)


def _giving_way() -> tuple[str, ...]:
    """How to run attackers, so that the good caller on their core does not wait for them."""
    ordinary = os.sched_getscheduler(0) == os.SCHED_OTHER
    return ("chrt", "--idle" if ordinary else "--other", "0")
