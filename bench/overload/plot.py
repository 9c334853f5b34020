"""The run as one picture: with and without the broker, second by second."""

from pathlib import Path
from typing import Any

from bench.overload.scenario import PRIORITIES, WAYS, Scenario, Way
from bench.overload.targets import Results

COLOURS = {
    "direct": "#c0392b",
    "broker": "#1f6feb",
    "obeying": "#7bb0ff",
    "adaptive": "#2e9e5b",
    "impatient": "#8e44ad",
}
BY_PRIORITY = ("#1f6feb", "#e69f00", "#9aa4b2")


def plot(results: Results, path: Path) -> None:
    """Above: answers and what the service has at a time; below: answers by priority, without and with the broker."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    scenario, ways = Scenario(**results["scenario"]), results["ways"]
    sheet, axes = plt.subplots(2, 2, figsize=(13, 7.2), sharex=True)
    _goodput(axes[0][0], scenario, ways)
    _at_a_time(axes[0][1], scenario, ways)
    for axis, name, words in ((axes[1][0], "direct", "without"), (axes[1][1], "broker", "with")):
        _by_priority(axis, scenario, ways[name], f"answers with 200 a second by priority, {words} the broker")
    for axis in axes.flat:
        axis.axvspan(scenario.before, scenario.before + scenario.during, color="#000", alpha=0.045, lw=0)
        axis.spines[["top", "right"]].set_visible(False)
        axis.set_xlim(0, scenario.seconds)
        axis.legend(fontsize=8, frameon=False, ncols=2, loc="upper right")
    for axis in axes[1]:
        axis.set_xlabel(f"seconds; grey: offered {scenario.overload:g} times the capacity")
    sheet.tight_layout()
    sheet.savefig(path, dpi=110)
    plt.close(sheet)


def _middles(scenario: Scenario) -> list[float]:
    return [second + 0.5 for second in range(int(scenario.seconds))]


def _shown(ways: dict[str, Any]) -> list[Way]:
    return [way for way in WAYS if way.name in ways]


def _goodput(axis: Any, scenario: Scenario, ways: dict[str, Any]) -> None:
    at = _middles(scenario)
    axis.plot(at, ways["direct"]["offered_each_second"], color="#444", ls=":", lw=1.2, label="offered")
    axis.axhline(scenario.capacity, color="#444", ls="--", lw=1, label="capacity")
    for way in _shown(ways):
        sums = [sum(second) for second in zip(*ways[way.name]["good_each_second"], strict=True)]
        axis.plot(at, sums, color=COLOURS[way.name], label=way.label)
    axis.set_ylim(0, scenario.capacity * (scenario.overload + 1.5))
    axis.set_title("answers with 200 a second", fontsize=10)


def _at_a_time(axis: Any, scenario: Scenario, ways: dict[str, Any]) -> None:
    at = _middles(scenario)
    axis.axhline(scenario.places, color="#444", ls="--", lw=1, label="what it does well")
    for way in _shown(ways):
        axis.plot(at, ways[way.name]["service"]["most_each_second"], color=COLOURS[way.name], label=way.label)
    axis.set_yscale("log")
    axis.set_ylim(1, max(ways["direct"]["service"]["most_each_second"]) * 8)
    axis.set_title("calls at a time in the service", fontsize=10)


def _by_priority(axis: Any, scenario: Scenario, figures: dict[str, Any], title: str) -> None:
    at = _middles(scenario)
    for name, colour, series in zip(PRIORITIES, BY_PRIORITY, figures["good_each_second"], strict=True):
        axis.plot(
            at, series, color=colour, label=f"{name}: {100 * figures['priorities'][name]['success']:.1f} % answered"
        )
    axis.set_ylim(0, scenario.capacity * 1.25)
    axis.set_title(title, fontsize=10)
