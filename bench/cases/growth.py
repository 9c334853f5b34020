"""Does the broker's memory stay flat while a large body goes through?"""

from collections.abc import Sequence

from bench.cases.case import Case, Effort, Figures, Round, say
from bench.generator import Load
from bench.lab import Lab, Running
from bench.memory import watch_rss
from bench.peers import Peer


def run(lab: Lab, peers: Sequence[Peer], effort: Effort) -> list[Round]:
    """One body down and one up, each through a fresh process that has served a few calls."""
    size = effort.growth_bytes
    loads: dict[str, Load] = {
        "down": {"path": f"/bytes/{size}", "count": 1, "seconds": 110},
        "up": {"method": "POST", "body": size, "count": 1, "seconds": 110},
    }

    def measure(running: Running, load: Load) -> Figures:
        lab.load(running, {"count": 100, "seconds": 20})
        with watch_rss(running.process.tree) as seen:
            result = lab.load(running, load)
        mib = size / 2**20
        growth = (seen.peak - seen.first) / 1024
        return {"mib": mib, "rate": mib / result["seconds"], "before_mib": seen.first / 1024, "growth_mib": growth}

    found: Round = {}
    for direction, load in loads.items():
        with lab.start(peers[0]) as running:
            found[direction] = measure(running, load)
    say("  done")
    return [found]


CASES = (Case("growth", "1 GiB through the broker", "growth", run, broker_only=True),)
