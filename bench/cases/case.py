"""What a case is, and how its rounds alternate."""

import contextlib
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.lab import Lab, Running
from bench.peers import Peer

Figures = dict[str, Any]
"""What was measured of one peer in one round."""

Round = dict[str, Figures]
"""The figures of all peers, by name, taken one right after the other."""


@dataclass(frozen=True)
class Effort:
    """How long and how often to measure."""

    rounds: int = 5
    seconds: float = 4.0
    warmup: float = 0.5
    latency_seconds: float = 12.0
    body_bytes: int = 256 * 2**20
    growth_bytes: int = 2**30
    idle_connections: int = 1000
    many_routes: int = 10_000


QUICK = Effort(rounds=2, seconds=1.0, warmup=0.3, latency_seconds=3.0, growth_bytes=256 * 2**20)


@dataclass(frozen=True)
class Case:
    """One question. `kind` chooses how its figures are summed up; `broker_only` cases need no peers."""

    name: str
    title: str
    kind: str
    run: Callable[[Lab, Sequence[Peer], Effort], list[Round]]
    broker_only: bool = False


Measure = Callable[[Running], Figures]


def alternate(lab: Lab, peers: Sequence[Peer], rounds: int, measure: Measure) -> list[Round]:
    """Starts all peers, then measures them in turn: A B C, A B C, and again."""
    with contextlib.ExitStack() as stack:
        running = {peer.name: stack.enter_context(lab.start(peer)) for peer in peers}
        return take_turns(running, rounds, measure)


def take_turns(running: Mapping[str, Running], rounds: int, measure: Measure) -> list[Round]:
    """The rounds over processes that run already."""
    found: list[Round] = []
    for number in range(rounds):
        found.append({name: measure(process) for name, process in running.items()})
        say(f"  round {number + 1} of {rounds}")
    return found


def say(text: str) -> None:
    """Tells how far the run is."""
    print(text, file=sys.stderr, flush=True)
