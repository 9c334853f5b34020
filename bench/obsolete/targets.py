"""What there is to reach, and whether a run reached it."""

from typing import Any

from bench.obsolete.parts import bulk, direct
from bench.obsolete.parts.stalls import BOTH
from bench.obsolete.ways import SUITES
from bench.summary import BUSY, Spread, figure, rate_ratio, ratio, saturated
from bench.targets import Verdict

Results = dict[str, Any]
ENGINES = ("private", "tlslite")


def judge(results: Results) -> list[Verdict]:
    """All targets; those of an engine that is not here are not measured."""
    found = [_calls(results["calls"], engine) for engine in ENGINES]
    for suite in bulk.SUITES:
        found += [_bulk(results["bulk"], engine, suite) for engine in ENGINES]
    found += [_stalls(results["stalls"], engine) for engine in ENGINES]
    return found + [_direct(results["direct"], suite) for suite in direct.SUITES]


def _calls(rounds: list[dict[str, Any]], engine: str) -> Verdict:
    target = f"pooled calls, TLS 1.0 AES128-SHA: {engine} ≥ 0.5 × system"
    name, system = f"{engine}-aes", "system-aes"
    if name not in rounds[0]:
        return Verdict(target, "", None)
    rate, cpu = rate_ratio(rounds, name, system), ratio(rounds, system, name, lambda each, way: each[way]["cpu_us"])
    best = cpu.median if not saturated(rounds, name, system) else min(rate.median, cpu.median)
    return Verdict(target, f"{cpu.text()} per CPU second; {rate.text()} per second", best >= 0.5)


def _bulk(rounds: list[dict[str, Any]], engine: str, suite: str) -> Verdict:
    target = f"{SUITES[suite][2]} through the broker, {engine}: ≥ 20 MB/s"
    names = [f"{engine}-{suite} {direction}" for direction in ("down", "up")]
    if names[0] not in rounds[0]:
        return Verdict(target, "", None)
    texts, reached = [], []
    for name, direction in zip(names, ("down", "up"), strict=True):
        rate, per_cpu = figure(rounds, name, "rate"), figure(rounds, name, "per_cpu")
        own_pace = figure(rounds, name, "busy").median >= BUSY
        texts.append(f"{rate.text(1)} {direction}" + ("" if own_pace else f" ({per_cpu.text(1)} per CPU second)"))
        reached.append((rate if own_pace else per_cpu).median >= 20)
    return Verdict(target, "; ".join(texts), all(reached))


def _stalls(found: dict[str, dict[str, Any]], engine: str) -> Verdict:
    target = f"event loop late by < 10 ms (p99) by its own work, {engine}"
    mine = {name: each for name, each in found.items() if each["engine"] == engine}
    if not mine:
        return Verdict(target, "", None)
    both = mine[f"{engine}: {BOTH}"]["own_p99_ms"]
    worst = max(mine.values(), key=lambda each: float(each["own_p99_ms"]))
    text = f"{both:.1f} ms with handshakes and a 3DES body; worst {worst['own_p99_ms']:.1f} ms ({worst['title']})"
    return Verdict(target, text, bool(worst["own_p99_ms"] < 10))


def _direct(found: dict[str, list[dict[str, Any]]], suite: str) -> Verdict:
    target = f"pooled broker ≥ 3 × a direct client with a connection per call, {SUITES[suite][2]}"
    rounds = found.get(suite)
    if not rounds:
        return Verdict(target, "", None)
    rate, cpu = rate_ratio(rounds, "kept", "full"), _efficiency(rounds, "kept", "full")
    best = rate.median if saturated(rounds, "kept", "full") else max(rate.median, cpu.median)
    return Verdict(target, f"{rate.text()} calls a second; {cpu.text()} calls per CPU second", best >= 3)


def _efficiency(rounds: list[dict[str, Any]], above: str, below: str) -> Spread:
    """Calls per CPU second of whoever calls the server, and of the server, together."""
    return ratio(rounds, below, above, lambda each, who: each[who]["cpu_us"] + each[who]["server_us"])
