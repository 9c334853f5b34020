"""A run as Markdown."""

from collections.abc import Iterator

from bench.attack.figures import Seen, at_work, calls, failed, milliseconds, per_connection, ratio, spread, waited, ways
from bench.attack.kinds import KINDS
from bench.attack.scenario import ATTACK, CALLS, FRESH, IDLE, KEPT, PHASES, PROXIES, UNLOADED, Scenario
from bench.attack.targets import Results, judge, scenario_of
from bench.tables import label, markdown

CALL_WORDS = {KEPT: "kept connection", FRESH: "connection of its own"}
MEMORY_WORDS = {
    UNLOADED: "unloaded",
    IDLE: "with the idle connections",
    ATTACK: "and the attackers, at the end of the attack",
    "after": "the attackers gone",
    "alone": "the idle connections gone too",
}


def phase_words(scenario: Scenario) -> dict[str, str]:
    """The phases in words."""
    idle = f"{scenario.idle:,} idle"
    return {UNLOADED: "unloaded", IDLE: idle, ATTACK: f"{idle}, {scenario.attackers:,} attackers"}


def sentence(results: Results) -> str:
    """The run in a sentence, which stands on the front page too."""
    scenario = scenario_of(results)
    ours, theirs = (results["proxies"][name] for name in PROXIES)
    return (
        f"With {scenario.idle:,} idle TLS connections and {scenario.attackers:,} slow senders, a good caller's p99 is "
        f"{_times(ours)} its unloaded p99 ({_times(theirs)} in nginx). An idle TLS connection takes "
        f"{per_connection(ours, scenario.idle, 'pss'):.1f} KiB of memory, "
        f"{per_connection(theirs, scenario.idle, 'pss'):.1f} KiB in nginx."
    )


def _times(seen: Seen) -> str:
    return f"{max(ratio(seen, ATTACK, kind) for kind in CALLS):.1f} ×"


def report(results: Results) -> str:
    """Targets first, then what the good caller, the attackers and the operating system saw."""
    scenario = scenario_of(results)
    facts = {**results["machine"], **results["versions"]}
    parts = [
        sentence(results),
        "### Targets",
        markdown(("target", "measured", ""), ((each.target, each.measured, each.word()) for each in judge(results))),
        "Ratios are of calls on kept connections, and of calls with a connection of their own.",
        "### The good caller",
        _latencies(results, scenario),
        _calls(results, scenario),
        "### Memory",
        _memory(results, scenario),
        "### The attackers",
        _attackers(results),
        _at_work(results, scenario),
        "### Machine and versions",
        "\n".join(f"- {key}: {value}" for key, value in facts.items()),
    ]
    return "\n\n".join(parts)


def _latencies(results: Results, scenario: Scenario) -> str:
    heads = ("", "calls", "p50 ms", "p99 ms", "(windows)", "highest ms", "p99 ÷ unloaded")
    return markdown(heads, _latency_rows(results, phase_words(scenario)))


def _latency_rows(results: Results, words: dict[str, str]) -> Iterator[tuple[str, ...]]:
    for name in PROXIES:
        seen = results["proxies"][name]
        for kind in CALLS:
            for phase in PHASES:
                low, high = spread(seen, phase, kind, 0.99)
                yield (
                    f"{label(name)}, {CALL_WORDS[kind]}: {words[phase]}",
                    f"{sum(len(window['samples'][kind]) for window in seen['phases'][phase]):,}",
                    *(f"{milliseconds(seen, phase, kind, share):.2f}" for share in (0.5, 0.99)),
                    f"{low:.2f}-{high:.2f}",
                    f"{milliseconds(seen, phase, kind, 1.0):.2f}",
                    "" if phase == UNLOADED else f"{ratio(seen, phase, kind):.2f}",
                )


def _calls(results: Results, scenario: Scenario) -> str:
    each = ", ".join(
        f"{failed(seen):,} of {calls(seen) + failed(seen):,} failed ({label(name)})"
        for name, seen in results["proxies"].items()
    )
    share = 100 * max(waited(seen, scenario.window) for seen in results["proxies"].values())
    return f"Calls: {each}. Other work kept a proxy from its core for at most {share:.1f} % of a window."


def _memory(results: Results, scenario: Scenario) -> str:
    proxies = [results["proxies"][name] for name in PROXIES]
    rows = [
        (words, *(f"{seen['memory'][when][which] / 1024:.1f}" for seen in proxies for which in ("rss", "pss")))
        for when, words in MEMORY_WORDS.items()
    ]
    rows.append(
        (
            "KiB an idle connection",
            *(f"{per_connection(s, scenario.idle, w):.1f}" for s in proxies for w in ("rss", "pss")),
        )
    )
    rows.append(
        ("highest of the run", *(cell for s in proxies for cell in (f"{s['memory']['peak_rss'] / 1024:.1f}", "")))
    )
    heads = ("MiB", *(f"{label(name)}: {which}" for name in PROXIES for which in ("RSS", "PSS")))
    return markdown(heads, rows)


def _attackers(results: Results) -> str:
    rows = []
    for kind in KINDS:
        for name in PROXIES:
            seen = results["proxies"][name]
            counts = seen["attack"]["kinds"][kind.name]
            cuts = "; ".join(
                f"{count:,} × {way} after {seconds:.0f} s" for way, count, seconds in ways(seen, kind.name)
            )
            rows.append(
                (f"{kind.label}: {label(name)}", f"{counts['opened']:,}", cuts or "never", f"{counts['alive']:,}")
            )
    return markdown(("", "connections", "cut off", "at work at the end"), rows)


def _at_work(results: Results, scenario: Scenario) -> str:
    each = ", ".join(f"{at_work(seen):,} in {label(name)}" for name, seen in results["proxies"].items())
    seconds = max(seen["attack"]["seconds"] for seen in results["proxies"].values())
    return f"At work at once at the end of {seconds:.0f} s: {each}, of {scenario.attackers:,}."
