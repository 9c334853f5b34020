"""Memory at rest, and with idle TLS connections."""

import contextlib
import json
import subprocess
import time
from collections.abc import Iterator, Sequence

from bench.cases.case import Case, Effort, Figures, Round, say
from bench.generator import LoadError, arguments
from bench.lab import Lab, Running
from bench.memory import Memory, read_memory
from bench.peers import Peer

ROUNDS = 3
SETTLE = 1.0


def run(lab: Lab, peers: Sequence[Peer], effort: Effort) -> list[Round]:
    """A fresh process for every figure."""
    rounds = min(ROUNDS, effort.rounds)
    found: list[Round] = []
    for number in range(rounds):
        found.append({peer.name: _measure(lab, peer, effort.idle_connections) for peer in peers})
        say(f"  round {number + 1} of {rounds}")
    return found


def _measure(lab: Lab, peer: Peer, connections: int) -> Figures:
    with lab.start(peer) as running:
        lab.load(running, {"count": 10, "seconds": 20})
        rest = _settled(running)
        with idle_connections(lab, running, connections):
            full = _settled(running)
    return {
        "rest_rss": rest.rss,
        "rest_pss": rest.pss,
        "full_rss": full.rss,
        "full_pss": full.pss,
        "per_connection": (full.pss - rest.pss) / connections,
        "per_connection_rss": (full.rss - rest.rss) / connections,
    }


def _settled(running: Running) -> Memory:
    time.sleep(SETTLE)
    return read_memory(running.process.tree())


@contextlib.contextmanager
def idle_connections(lab: Lab, target: Running, connections: int, seconds: float = 100) -> Iterator[None]:
    """TLS connections that have carried one call each and are silent now; all must live to the end.

    `seconds` bounds everything that is done with them.
    """
    words = arguments(target.port, {"mode": "idle", "connections": connections, "limit": seconds}, [])
    process = subprocess.Popen(
        ["taskset", "-c", str(lab.cores.generator), str(lab.tools.generator), *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    if process.stdout.readline() != "ready\n":
        process.kill()
        raise LoadError(f"{target.name}: the idle connections did not open: {target.process.tail()}")
    try:
        yield
    finally:
        output, _ = process.communicate(timeout=seconds + 10)
    if errors := json.loads(output)["errors"]:
        raise LoadError(f"{target.name}: closed {errors} of {connections} idle connections")


CASES = (Case("idle", "Memory at rest and with 1,000 idle TLS connections", "memory", run),)
