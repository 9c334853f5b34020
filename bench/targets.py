"""The speed to reach, and whether a run reached it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bench.summary import (
    Round,
    Spread,
    efficiency_ratio,
    figure,
    pooled_added,
    rate_ratio,
    ratio,
    saturated,
)

Cases = dict[str, list[Round]]


@dataclass(frozen=True)
class Verdict:
    """`reached` is None when the run did not measure it."""

    target: str
    measured: str
    reached: bool | None

    def word(self) -> str:
        """For the table."""
        return "not measured" if self.reached is None else "reached" if self.reached else "**missed**"


def judge(cases: Cases) -> list[Verdict]:
    """All targets, against one run."""
    return [
        _at_least(cases, "keepalive", "aiohttp", 3.0, "keep-alive GET ≥ 3 × the plain aiohttp proxy"),
        _at_least(cases, "keepalive", "envoy", 0.8, "keep-alive GET ≥ 0.8 × Envoy"),
        _at_least(cases, "connect13", "nginx", 0.6, "connection per call (TLS 1.3) ≥ 0.6 × nginx"),
        _at_least(cases, "connect12", "nginx", 0.6, "connection per call (TLS 1.2) ≥ 0.6 × nginx"),
        _judged("≤ 60 KiB for an idle TLS connection", cases, "idle", "broker", _idle),
        _judged("p99 added at 83 calls a second ≤ 1.5 × nginx's", cases, "latency", "nginx", _latency),
        _judged("a call among 10,000 routes ≤ 1.05 × one among 10", cases, "routes", "many", _routes),
        _judged("1 GiB through, < 50 MiB of growth", cases, "growth", "down", _growth),
    ]


Measured = tuple[str, bool | None]


def _judged(target: str, cases: Cases, name: str, peer: str, rule: Callable[[list[Round]], Measured]) -> Verdict:
    rounds = cases.get(name)
    if not rounds or peer not in rounds[0] or (name in ("idle", "latency") and "broker" not in rounds[0]):
        return Verdict(target, "", None)
    return Verdict(target, *rule(rounds))


def _at_least(cases: Cases, name: str, peer: str, limit: float, target: str) -> Verdict:
    """By calls per CPU second; and by calls a second too, where both cores were busy all the time."""
    rounds = cases.get(name)
    if not rounds or not {"broker", peer} <= rounds[0].keys():
        return Verdict(target, "", None)
    efficiency, rate = efficiency_ratio(rounds, "broker", peer), rate_ratio(rounds, "broker", peer)
    measured = f"{efficiency.text()} per CPU second; {rate.text()} per second"
    if saturated(rounds, "broker", peer):
        return Verdict(target, measured, min(efficiency.median, rate.median) >= limit)
    return Verdict(target, f"{measured} (not both cores were busy throughout)", efficiency.median >= limit)


def _idle(rounds: list[Round]) -> Measured:
    each = figure(rounds, "broker", "per_connection")
    return f"{each.text(1)} KiB", each.median <= 60


def _latency(rounds: list[Round]) -> Measured:
    ours, theirs = pooled_added(rounds, "broker", 0.99), pooled_added(rounds, "nginx", 0.99)
    text = f"{ours:,.0f} µs against {theirs:,.0f} µs: {ours / theirs:.2f} ×"
    return text, ours <= 1.5 * theirs


def routes_ratio(rounds: list[Round], which: str) -> Spread:
    """CPU time of a call among many routes over that among few; `which` is "one" or "all"."""
    return ratio(rounds, "many", "few", lambda each, peer: each[peer][which]["cpu_us"])


def _routes(rounds: list[Round]) -> Measured:
    one, every = routes_ratio(rounds, "one"), routes_ratio(rounds, "all")
    text = f"{one.text()} × with one route called, {every.text()} × with all called in turn"
    return text, one.median <= 1.05


def _growth(rounds: list[Round]) -> Measured:
    found: dict[str, dict[str, Any]] = rounds[0]
    text = ", ".join(f"{each['growth_mib']:.1f} MiB {direction}" for direction, each in found.items())
    if any(each["mib"] < 1024 for each in found.values()):
        return f"{text}, with a smaller body", None
    return text, all(each["growth_mib"] < 50 for each in found.values())
