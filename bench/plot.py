"""The run as one picture: a panel a question, a bar a peer."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.summary import Round, Spread, added, figure, spread
from bench.tables import label

OURS, THEIRS = "#1f6feb", "#9aa4b2"


@dataclass(frozen=True)
class Panel:
    """A case, what is drawn of it, and which end of the axis is the better one."""

    case: str
    title: str
    value: Callable[[list[Round], str], Spread]


def _per_cpu_second(rounds: list[Round], peer: str) -> Spread:
    return spread(1e6 / each[peer]["cpu_us"] for each in rounds)


def _added_p99(rounds: list[Round], peer: str) -> Spread:
    return spread(added(each, peer, "p99_us") for each in rounds)


def _per_connection(rounds: list[Round], peer: str) -> Spread:
    return figure(rounds, peer, "per_connection")


PANELS = (
    Panel("keepalive", "keep-alive GET of 1 KB\ncalls per CPU second, more is better", _per_cpu_second),
    Panel("expect", "SOAP POST of 16 KB with Expect\ncalls per CPU second, more is better", _per_cpu_second),
    Panel("connect13", "connection per call, TLS 1.3\ncalls per CPU second, more is better", _per_cpu_second),
    Panel("down", "answer of 256 MiB\nMiB per CPU second, more is better", _per_cpu_second),
    Panel("latency", "added p99 at 83 calls a second\nµs, less is better", _added_p99),
    Panel("idle", "memory of an idle TLS connection\nKiB, less is better", _per_connection),
)


def plot(cases: dict[str, list[Round]], path: Path) -> None:
    """Draws the panels whose case was measured; whiskers go from the lowest round to the highest."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    panels = [panel for panel in PANELS if panel.case in cases]
    if not panels:
        return
    rows = (len(panels) + 2) // 3
    sheet, axes = plt.subplots(rows, 3, figsize=(13, 3.1 * rows), squeeze=False)
    for axis, panel in zip(axes.flat, panels, strict=False):
        _draw(axis, panel, cases[panel.case])
    for axis in axes.flat[len(panels) :]:
        axis.set_visible(False)
    sheet.tight_layout()
    sheet.savefig(path, dpi=110)
    plt.close(sheet)


def _draw(axis: Any, panel: Panel, rounds: list[Round]) -> None:
    peers = [peer for peer in rounds[0] if peer != "direct"]
    values = [panel.value(rounds, peer) for peer in peers]
    reach = [[each.median - each.low for each in values], [each.high - each.median for each in values]]
    colours = [OURS if peer == "broker" else THEIRS for peer in peers]
    medians = [each.median for each in values]
    axis.barh([label(peer) for peer in peers], medians, xerr=reach, color=colours, ecolor="#444", capsize=2)
    axis.invert_yaxis()
    axis.set_title(panel.title, fontsize=10)
    axis.spines[["top", "right"]].set_visible(False)
    axis.ticklabel_format(axis="x", style="plain")
