"""Writes a run into docs/overload.md and docs/overload.png."""

from pathlib import Path

from bench.overload.plot import plot
from bench.overload.tables import report
from bench.overload.targets import Results
from bench.process import ROOT
from bench.publish import BEGIN, END

PAGE, PICTURE = ROOT / "docs" / "overload.md", ROOT / "docs" / "overload.png"


def publish(results: Results) -> list[Path]:
    """Replaces what stands between the markers of the page; returns what was written."""
    before, begin, rest = PAGE.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{PAGE}: the markers {BEGIN} and {END} are missing")
    PAGE.write_text(f"{before}{BEGIN}\n\n{report(results)}\n\n{END}{after}")
    plot(results, PICTURE)
    return [PAGE, PICTURE]
