"""What the hop adds to a call at the rate of the largest documented volume: 300,000 records an hour."""

import contextlib
from collections.abc import Sequence

from bench.cases.case import Case, Effort, Figures, Round, take_turns
from bench.generator import Load
from bench.lab import Lab, Running
from bench.peers import Peer

RATE = 83
DIRECT = "direct"


def run(lab: Lab, peers: Sequence[Peer], effort: Effort) -> list[Round]:
    """Open loop: calls start at a constant rate, and a call's time counts from when it was due to start.

    The direct call goes to the upstream over plain HTTP, without a proxy, in the same round.
    """

    def measure(target: Running) -> Figures:
        load: Load = {
            "mode": "open",
            "rate": RATE,
            "connections": 8,
            "seconds": effort.latency_seconds,
            "warmup": effort.warmup,
            "raw": True,
            "tls": 0 if target.name == DIRECT else 13,
        }
        result = lab.load(target, load)
        return {
            "samples_us": result["samples_us"],
            "p50_us": result["latency_us"]["p50"],
            "p99_us": result["latency_us"]["p99"],
            "cpu_us": 1e6 * result["cpu_seconds"] / result["requests"],
        }

    with contextlib.ExitStack() as stack:
        running = {DIRECT: lab.upstream}
        running |= {peer.name: stack.enter_context(lab.start(peer)) for peer in peers}
        return take_turns(running, effort.rounds, measure)


CASES = (Case("latency", "83 calls a second, constant arrivals", "latency", run),)
