"""A run as Markdown: the targets first, then a table for each question."""

from typing import Any

from bench.obsolete.parts import direct
from bench.obsolete.targets import Results, judge
from bench.obsolete.ways import ALL, SUITES
from bench.summary import Spread, figure, rate_ratio, ratio
from bench.tables import markdown

LABELS = {way.name: way.label for way in ALL}
_HOW = {
    "full": "direct, a connection per call, full handshakes",
    "resumed": "direct, a connection per call, resumed",
    "kept": "through the broker, connections kept on both sides",
    "percall": "through the broker, caller opens a TLS 1.3 connection per call",
}


def report(results: Results) -> str:
    """Everything."""
    parts = ["### Targets", markdown(("target", "measured", ""), _verdicts(results))]
    parts += ["### Calls of 1 KB over pooled connections", _calls(results["calls"])]
    parts += ["### Large bodies", _bulk(results["bulk"], results["raw"])]
    parts += ["### What other routes feel", _stalls(results["stalls"])]
    for suite, rounds in results["direct"].items():
        server, version, name = SUITES[suite]
        parts += [f"### A connection per call against the pool: {server}, {version}, {name}", _direct(rounds)]
    parts += ["### One handshake", _handshakes(results["handshakes"])]
    facts = {**results["machine"], **results["versions"]}
    parts += ["### Machine and versions", "\n".join(f"- {key}: {value}" for key, value in facts.items())]
    parts += [f"- left out: {LABELS[name]}: {why}" for name, why in results["absent"].items()]
    return "\n\n".join([*parts, _method(results["effort"])])


def _verdicts(results: Results) -> list[tuple[str, str, str]]:
    return [(each.target, each.measured, each.word()) for each in judge(results)]


def _calls(rounds: list[dict[str, Any]]) -> str:
    heads = ("", "÷ system: calls per CPU s", "÷ system: calls/s", "CPU µs/call", "calls/s", "core busy", "p99 ms")
    rows = []
    for name in rounds[0]:
        cheaper = ratio(rounds, "system-aes", name, lambda each, way: each[way]["cpu_us"])
        faster = rate_ratio(rounds, name, "system-aes")
        compared = ("", "") if name == "system-aes" else (cheaper.text(), faster.text())
        rows.append(
            (
                LABELS[name],
                *compared,
                figure(rounds, name, "cpu_us").text(1),
                figure(rounds, name, "rate").text(0),
                f"{100 * figure(rounds, name, 'busy').median:.0f} %",
                f"{figure(rounds, name, 'p99_ms').median:.1f}",
            )
        )
    return markdown(heads, rows)


def _bulk(rounds: list[dict[str, Any]], raw: dict[str, dict[str, Any]]) -> str:
    heads = ("", "MB/s", "MB per CPU s", "core busy", "engine alone: MB per CPU s", "broker ÷ engine alone", "MiB")
    rows = []
    for name in rounds[0]:
        way, direction = name.split(" ")
        alone, per_cpu = raw[way][direction], figure(rounds, name, "per_cpu")
        rows.append(
            (
                f"{LABELS[way]}, {direction}",
                figure(rounds, name, "rate").text(1),
                per_cpu.text(1),
                f"{100 * figure(rounds, name, 'busy').median:.0f} %",
                f"{alone:.1f}",
                f"{per_cpu.median / alone:.2f}",
                f"{figure(rounds, name, 'mib').median:.0f}",
            )
        )
    return markdown(heads, rows)


def _stalls(found: dict[str, dict[str, Any]]) -> str:
    heads = ("beside", "late by own work: p99 ms", "max ms", "late: p50 ms", "p99 ms", "max ms")
    more = ("plain call: p50 ms", "p99 ms", "max ms", "core busy", "kept from it")
    keys = ("own_p99_ms", "own_max_ms", "late_p50_ms", "late_p99_ms", "late_max_ms")
    rows = [(name, *(f"{each[key]:.2f}" for key in keys), *_plain(each)) for name, each in found.items()]
    return markdown((*heads, *more), rows)


def _plain(each: dict[str, Any]) -> list[str]:
    """Of the calls on a plain route; none may have come through."""
    if each["calls_ms"] is None:
        return ["none in time", "", "", "", ""]
    shares = [f"{100 * each[key]:.0f} %" for key in ("busy", "waited")]
    return [f"{each['calls_ms'][key]:.2f}" for key in ("p50", "p99", "max")] + shares


def _direct(rounds: list[dict[str, Any]]) -> str:
    heads = (
        "",
        "÷ direct, full",
        "÷ direct, resumed",
        "calls/s",
        "CPU µs/call",
        "server: CPU µs/call",
        "its core busy",
    )
    rows = []
    for name, title in _HOW.items():
        compared = [_unless_same(rounds, name, other) for other in direct.DIRECT]
        rows.append(
            (
                title,
                *compared,
                figure(rounds, name, "rate").text(0),
                figure(rounds, name, "cpu_us").text(1),
                figure(rounds, name, "server_us").text(1),
                f"{100 * figure(rounds, name, 'busy').median:.0f} %",
            )
        )
    return markdown(heads, rows)


def _unless_same(rounds: list[dict[str, Any]], name: str, other: str) -> str:
    compared: Spread = rate_ratio(rounds, name, other)
    return "" if name == other else compared.text()


def _handshakes(found: dict[str, dict[str, Any]]) -> str:
    heads = ("", "full ÷ resumed", "full: client µs", "resumed: client µs", "full: server µs", "resumed: server µs")
    rows = []
    for name, each in found.items():
        full, resumed = each["full"], each["resumed"]
        words = [f"{one[key]:.0f}" for key in ("client_us", "server_us") for one in (full, resumed)]
        label = LABELS[name] + ("" if full["as_wanted"] and resumed["as_wanted"] else " (**not all resumed**)")
        rows.append((label, f"{full['client_us'] / resumed['client_us']:.1f}", *words))
    return markdown(heads, rows)


def _method(effort: dict[str, Any]) -> str:
    return (
        f"{effort['rounds']} rounds of {effort['seconds']:g} s, {effort['bulk_rounds']} of bodies, "
        f"{effort['stall_seconds']:g} s a scenario. Median over the rounds, then (lowest-highest)."
    )
