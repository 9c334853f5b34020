"""Writes a run into docs/overload.md and docs/overload.png."""

from pathlib import Path

from bench.overload.plot import plot
from bench.overload.tables import report
from bench.overload.targets import Results
from bench.process import ROOT
from bench.publish import replace_results

PAGE, PICTURE = ROOT / "docs" / "overload.md", ROOT / "docs" / "overload.png"


def publish(results: Results) -> list[Path]:
    """Replaces what stands between the markers of the page; returns what was written."""
    replace_results(PAGE, report(results))
    plot(results, PICTURE)
    return [PAGE, PICTURE]
