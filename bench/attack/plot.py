"""The run as one picture: the good caller's latency, phase by phase, and the memory of an idle connection."""

from pathlib import Path
from typing import Any

from bench.attack.figures import milliseconds, per_connection
from bench.attack.scenario import CALLS, PHASES, PROXIES, Scenario
from bench.attack.tables import CALL_WORDS, phase_words
from bench.attack.targets import Results, scenario_of
from bench.plot import OURS, THEIRS
from bench.tables import label

_COLOURS = dict(zip(PROXIES, (OURS, THEIRS), strict=True))
_WIDTH = 0.38


def plot(results: Results, path: Path) -> None:
    """A panel for each kind of call, with bars for p50 and p99, and one for memory."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    scenario = scenario_of(results)
    sheet, axes = plt.subplots(1, 3, figsize=(13, 4), width_ratios=(3, 3, 1.4))
    for axis, kind in zip(axes, CALLS, strict=False):
        _latency(axis, results, scenario, kind)
    _memory(axes[2], results, scenario)
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
    sheet.tight_layout()
    sheet.savefig(path, dpi=110)
    plt.close(sheet)


def _latency(axis: Any, results: Results, scenario: Scenario, kind: str) -> None:
    for number, name in enumerate(PROXIES):
        at = [place + (number - 0.5) * _WIDTH for place in range(len(PHASES))]
        p99, p50 = (
            [milliseconds(results["proxies"][name], phase, kind, share) for phase in PHASES] for share in (0.99, 0.5)
        )
        bars = axis.bar(at, p99, _WIDTH * 0.94, color=_COLOURS[name], label=f"{label(name)}: p99")
        axis.bar_label(bars, fmt="%.2f", fontsize=8)
        axis.hlines(p50, [x - _WIDTH / 2 for x in at], [x + _WIDTH / 2 for x in at], color="#222", lw=1.4)
    axis.plot([], [], color="#222", lw=1.4, label="p50")
    axis.set_xticks(
        range(len(PHASES)), [words.replace(", ", ",\n") for words in phase_words(scenario).values()], fontsize=9
    )
    axis.set_ylim(0, 1.25 * axis.get_ylim()[1])
    axis.set_title(f"a call on a {CALL_WORDS[kind]}, ms", fontsize=10)
    axis.legend(fontsize=8, frameon=False, ncols=3, loc="upper left")


def _memory(axis: Any, results: Results, scenario: Scenario) -> None:
    each = [per_connection(results["proxies"][name], scenario.idle, "pss") for name in PROXIES]
    bars = axis.bar([label(name) for name in PROXIES], each, color=list(_COLOURS.values()))
    axis.bar_label(bars, fmt="%.1f", fontsize=8)
    axis.set_title("an idle TLS connection, KiB", fontsize=10)
