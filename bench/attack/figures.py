"""From what was seen to what is shown."""

import statistics
from collections import defaultdict
from typing import Any

Seen = dict[str, Any]
"""What `run_proxy` returns of one proxy."""


def quantile(values: list[float], share: float) -> float:
    """0.0 of none."""
    return sorted(values)[min(int(share * len(values)), len(values) - 1)] if values else 0.0


def milliseconds(seen: Seen, phase: str, kind: str, share: float) -> float:
    """A quantile of a phase's latencies, over the calls of all its windows together."""
    samples = [value for window in seen["phases"][phase] for value in window["samples"][kind]]
    return quantile(samples, share) / 1000


def spread(seen: Seen, phase: str, kind: str, share: float) -> tuple[float, float]:
    """The lowest and the highest of the windows."""
    each = [quantile(window["samples"][kind], share) / 1000 for window in seen["phases"][phase]]
    return min(each), max(each)


def ratio(seen: Seen, phase: str, kind: str, unloaded: str = "unloaded") -> float:
    """A phase's p99 as a multiple of the unloaded one, of the same proxy."""
    return milliseconds(seen, phase, kind, 0.99) / milliseconds(seen, unloaded, kind, 0.99)


def failed(seen: Seen) -> int:
    """Calls of the good caller that were not answered with a 200, in all phases."""
    return sum(window["failed"] for windows in seen["phases"].values() for window in windows)


def calls(seen: Seen) -> int:
    """Calls of the good caller that were."""
    windows = [window for each in seen["phases"].values() for window in each]
    return sum(len(samples) for window in windows for samples in window["samples"].values())


def per_connection(seen: Seen, idle: int, which: str) -> float:
    """KiB that an idle connection costs; `which` is `pss` or `rss`."""
    memory = seen["memory"]
    return float(memory["idle"][which] - memory["unloaded"][which]) / idle


def ways(seen: Seen, kind: str) -> list[tuple[str, int, float]]:
    """How attackers of a kind were cut off: in which way, how many of them, after how many seconds (median)."""
    found: defaultdict[str, list[float]] = defaultdict(list)
    for way, seconds in seen["attack"]["kinds"][kind]["cuts"]:
        found[way].append(seconds)
    return [(way, len(each), statistics.median(each)) for way, each in sorted(found.items(), key=lambda i: -len(i[1]))]


def at_work(seen: Seen) -> int:
    """Attackers that were up when the attack was ended."""
    return sum(each["alive"] for each in seen["attack"]["kinds"].values())


def waited(seen: Seen, window: float) -> float:
    """The largest share of a window in which other work had the proxy's core."""
    return max(float(each["waited"]) for windows in seen["phases"].values() for each in windows) / window
