"""A run as Markdown."""

from typing import Any

from bench.cases import CASES
from bench.tables import markdown, table
from bench.targets import judge

MANY_THREADS = {"caddy"}
"""Go's threads wait for one another, so their waiting says nothing about other work."""


def report(results: dict[str, Any]) -> str:
    """Targets first, then every case, then what it ran on."""
    parts = ["### Targets", _targets(results)]
    for name, rounds in results["cases"].items():
        parts += [f"### {CASES[name].title}", _remark(rounds), table(CASES[name], rounds)]
    parts += [
        "### Machine and versions",
        "\n".join(f"- {key}: {value}" for key, value in {**results["machine"], **results["versions"]}.items()),
        _method(results["effort"]),
    ]
    return "\n\n".join(part for part in parts if part)


def _method(effort: dict[str, Any]) -> str:
    rounds, seconds, longer = effort["rounds"], effort["seconds"], effort["latency_seconds"]
    return (
        f"{rounds} rounds of {seconds:g} s ({longer:g} s for latency). Median over the rounds, then (lowest-highest)."
    )


def _targets(results: dict[str, Any]) -> str:
    verdicts = judge(results["cases"])
    return markdown(("target", "measured", ""), ((each.target, each.measured, each.word()) for each in verdicts))


def _remark(rounds: list[dict[str, Any]]) -> str:
    """What was negotiated, and whether the proxies had their core for themselves."""
    figures = [each for one in rounds for each in one.values() if "cipher" in each]
    if not figures:
        return ""
    negotiated = sorted({f"{each['protocol']} with {each['cipher']}" for each in figures})
    waited = 100 * max(
        [0.0, *(each["waited"] for one in rounds for peer, each in one.items() if peer not in MANY_THREADS)]
    )
    return f"{', '.join(negotiated)}. Other work kept a proxy from its core for at most {waited:.0f} % of a round."
