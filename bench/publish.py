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
    replace_results(PAGE, report(results))
    plot(results["cases"], PICTURE)
    return [PAGE, PICTURE]


def replace_results(page: Path, text: str) -> None:
    """Replaces what stands between the markers of a page; raises `ValueError` where there are none."""
    before, begin, rest = page.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{page}: the markers {BEGIN} and {END} are missing")
    page.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}")
