"""From rounds to figures: medians, and ratios that are taken within a round before they are summed up."""

import statistics
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

Round = dict[str, dict[str, Any]]
BUSY = 0.9
"""From this share on, the proxy's own core set the pace, not the load generator's."""


@dataclass(frozen=True)
class Spread:
    """Median, lowest and highest of the rounds."""

    median: float
    low: float
    high: float

    def text(self, digits: int = 2) -> str:
        """`1.25 (1.20-1.31)`."""
        return f"{self.median:,.{digits}f} ({self.low:,.{digits}f}-{self.high:,.{digits}f})"


def spread(values: Iterable[float]) -> Spread:
    """Over the rounds."""
    listed = list(values)
    return Spread(statistics.median(listed), min(listed), max(listed))


def figure(rounds: list[Round], peer: str, key: str) -> Spread:
    """One figure of one peer."""
    return spread(each[peer][key] for each in rounds)


def ratio(rounds: list[Round], above: str, below: str, value: Callable[[Round, str], float]) -> Spread:
    """`above` divided by `below`, round by round: noise that lasts longer than a round cancels out."""
    return spread(value(each, above) / value(each, below) for each in rounds)


def rate_ratio(rounds: list[Round], above: str, below: str) -> Spread:
    """How many times as many calls (or MiB) a second."""
    return ratio(rounds, above, below, lambda each, peer: each[peer]["rate"])


def efficiency_ratio(rounds: list[Round], above: str, below: str) -> Spread:
    """How many times as many calls (or MiB) a CPU second; does not depend on who set the pace."""
    return ratio(rounds, above, below, lambda each, peer: 1 / each[peer]["cpu_us"])


def saturated(rounds: list[Round], *peers: str) -> bool:
    """Were all of these limited by their own core?"""
    return all(figure(rounds, peer, "busy").median >= BUSY for peer in peers)


def added(each: Round, peer: str, key: str) -> float:
    """Latency beyond that of the direct call of the same round, in µs."""
    return float(each[peer][key] - each["direct"][key])


def pooled_quantile(rounds: list[Round], peer: str, q: float) -> float:
    """Over the samples of all rounds together, in µs."""
    samples = sorted(value for each in rounds for value in each[peer]["samples_us"])
    return float(samples[min(int(q * len(samples)), len(samples) - 1)])


def pooled_added(rounds: list[Round], peer: str, q: float) -> float:
    """A quantile of the proxy's calls minus the same quantile of the direct calls, in µs."""
    return pooled_quantile(rounds, peer, q) - pooled_quantile(rounds, "direct", q)
