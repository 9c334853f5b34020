"""A run as Markdown."""

from typing import Any

from bench.overload.figures import quantile
from bench.overload.scenario import PRIORITIES, WAYS, Scenario
from bench.overload.targets import Results, judge
from bench.tables import markdown


def report(results: Results) -> str:
    """Targets first, then what clients and service saw, then what it ran on."""
    scenario = Scenario(**results["scenario"])
    parts = [
        "### Targets",
        markdown(("target", "measured", ""), ((each.target, each.measured, each.word()) for each in judge(results))),
        f"First with clients that obey nothing; then with clients that obey `Retry-After`. {_load(scenario)}",
        "### Calls a second and refusals",
        _sums(scenario, results),
        "### By priority",
        _priorities(results),
        "### Machine and versions",
        "\n".join(f"- {key}: {value}" for key, value in {**results["machine"], **results["versions"]}.items()),
        _client(results),
    ]
    return "\n\n".join(part for part in parts if part)


def _load(scenario: Scenario) -> str:
    return (
        f"Capacity {scenario.capacity:.0f} calls a second ({scenario.places} at a time, {1000 * scenario.work:.0f} ms "
        f"each), offered {scenario.overload:g} times as many for {scenario.during:.0f} s."
    )


def _chosen(results: Results) -> list[tuple[str, dict[str, Any]]]:
    return [(way.label, results["ways"][way.name]) for way in WAYS if way.name in results["ways"]]


def _sums(scenario: Scenario, results: Results) -> str:
    found = _chosen(results)
    rows = {
        "sent, calls/s": [f"{each['sent']:.0f}" for _, each in found],
        "goodput, answers 200/s": [f"{each['goodput']:.1f}" for _, each in found],
        "of the capacity": [f"{100 * each['goodput'] / scenario.capacity:.1f} %" for _, each in found],
        "other outcomes": [_outcomes(each) for _, each in found],
        "`Retry-After`, median (highest)": [_advice(each) for _, each in found],
        "most calls at a time in the service": [str(each["service"]["most"]) for _, each in found],
        "errors of the service: 500, reset": [
            f"{each['service']['failed']:,}, {each['service']['reset']:,}" for _, each in found
        ],
        "service well again after": [_recovery(scenario, each) for _, each in found],
    }
    return markdown(("", *(label for label, _ in found)), ((head, *cells) for head, cells in rows.items()))


def _outcomes(figures: dict[str, Any]) -> str:
    """`12,000 × 503, 3 × 500 without Retry-After`."""
    honest = figures["with_retry_after"]
    words = []
    for name, count in sorted(figures["refused"].items(), key=lambda item: -item[1]):
        without = count - honest.get(name, 0)
        what = "`Retry-After`" if not without else "" if without == count else f"{without:,} without `Retry-After`"
        words.append(f"{count:,} × {name}" + (f" ({what})" if what else ""))
    return ", ".join(words) or "none"


def _advice(figures: dict[str, Any]) -> str:
    seconds = [int(value) for value, count in figures["retry_after"].items() for _ in range(count)]
    return f"{quantile(seconds, 0.5):.0f} s ({max(seconds)} s)" if seconds else ""


def _recovery(scenario: Scenario, figures: dict[str, Any]) -> str:
    seconds = figures["service"]["well_after"]
    if seconds is None:
        return f"not in {scenario.after:.0f} s"
    return f"{seconds:.1f} s" if seconds else "always well"


def _priorities(results: Results) -> str:
    rows = []
    for label, figures in _chosen(results):
        for name in PRIORITIES:
            each = figures["priorities"][name]
            rows.append(
                (
                    f"{label}: {name}",
                    f"{each['offered']:.0f}",
                    f"{each['held_back']:.0f}",
                    f"{each['good']:.1f}",
                    f"{100 * each['success']:.1f} %",
                    f"{1000 * each['p50']:,.0f}" if each["good"] else "",
                    f"{1000 * each['p99']:,.0f}" if each["good"] else "",
                )
            )
    heads = ("", "wanted/s", "held back/s", "answers 200/s", "of the calls sent", "p50 ms", "p99 ms")
    return markdown(heads, rows)


def _client(results: Results) -> str:
    found = _chosen(results)
    late = ", ".join(f"{1000 * each['client']['late_p99']:.1f}" for _, each in found)
    busy = max(each["client"]["busy"] for _, each in found)
    cpu = max(each["broker_cpu_seconds"] for _, each in found) / Scenario(**results["scenario"]).seconds
    return (
        f"The load client was busy {100 * busy:.0f} % of its core at most, the broker {100 * cpu:.0f} %. "
        f"Way by way, 99 % of the calls were sent within {late} ms of when they were due."
    )
