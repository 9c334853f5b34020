"""Writes a run into docs/performance.md and docs/performance.png."""

from pathlib import Path
from typing import Any

from bench.plot import plot
from bench.process import ROOT
from bench.report import report

PAGE, PICTURE = ROOT / "docs" / "performance.md", ROOT / "docs" / "performance.png"
BEGIN, END = "<!-- results: begin -->", "<!-- results: end -->"


def publish(results: dict[str, Any]) -> list[Path]:
    """Replaces what stands between the markers of the page; returns what was written."""
    page = PAGE.read_text()
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{PAGE}: the markers {BEGIN} and {END} are missing")
    PAGE.write_text(f"{before}{BEGIN}\n\n{report(results)}\n\n{END}{after}")
    plot(results["cases"], PICTURE)
    return [PAGE, PICTURE]
