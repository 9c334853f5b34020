"""Does a call cost more among 10,000 routes than among 10?"""

import statistics
from collections.abc import Sequence

from bench.cases.case import Case, Effort, Figures, Round, say
from bench.generator import Load
from bench.lab import Lab, Running
from bench.peers import Peer

FEW = 10


def run(lab: Lab, peers: Sequence[Peer], effort: Effort) -> list[Round]:
    """A fresh pair of brokers a round: two processes of one program differ by some per cent, by memory layout alone.

    Each is asked for one route only, then for all of its routes in turn, by 10,000 different paths in both brokers.
    The first shows what finding a route costs; the second adds the cache misses of visiting 10,000 of anything.
    """
    found: list[Round] = []
    for number in range(effort.rounds):
        with lab.start(peers[0], FEW) as few, lab.start(peers[0], effort.many_routes) as many:
            found.append(_round(lab, few, many, effort))
        say(f"  round {number + 1} of {effort.rounds}")
    return found


def _round(lab: Lab, few: Running, many: Running, effort: Effort) -> Round:
    counts = {"few": FEW, "many": effort.many_routes}
    figures: Round = {name: {"routes": count} for name, count in counts.items()}
    for which in ("one", "all"):
        found: dict[str, list[float]] = {"few": [], "many": []}
        for name in ("few", "many", "many", "few"):  # whatever drifts evenly hits both alike
            running = few if name == "few" else many
            found[name].append(_cpu_us(lab, running, _load(which, counts[name], effort)))
        for name, values in found.items():
            figures[name][which] = _figure(values)
    return figures


def _load(which: str, routes: int, effort: Effort) -> Load:
    shared: dict[str, float] = {"connections": 32, "seconds": effort.seconds / 2, "warmup": effort.warmup}
    if which == "one":
        return {**shared, "path": f"/r{routes // 2}/quote"}
    return {**shared, "path": "/r%d/%d", "paths": routes, "variety": effort.many_routes}


def _cpu_us(lab: Lab, running: Running, load: Load) -> float:
    result = lab.load(running, load)
    return 1e6 * float(result["cpu_seconds"]) / float(result["requests"])


def _figure(values: list[float]) -> Figures:
    return {"cpu_us": statistics.mean(values)}


CASES = (Case("routes", "10 against 10,000 routes", "routes", run, broker_only=True),)
