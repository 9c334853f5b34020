"""Writes a run into docs/legacy-tls-performance.md."""

from pathlib import Path

from bench.obsolete.tables import report
from bench.obsolete.targets import Results
from bench.process import ROOT
from bench.publish import BEGIN, END

PAGE = ROOT / "docs" / "legacy-tls-performance.md"


def publish(results: Results) -> Path:
    """Replaces what stands between the markers of the page."""
    before, begin, rest = PAGE.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{PAGE}: the markers {BEGIN} and {END} are missing")
    PAGE.write_text(f"{before}{BEGIN}\n\n{report(results)}\n\n{END}{after}")
    return PAGE
