"""Writes a run into docs/legacy-tls-performance.md."""

from pathlib import Path

from bench.obsolete.tables import report
from bench.obsolete.targets import Results
from bench.process import ROOT
from bench.publish import replace_results

PAGE = ROOT / "docs" / "legacy-tls-performance.md"


def publish(results: Results) -> Path:
    """Replaces what stands between the markers of the page."""
    replace_results(PAGE, report(results))
    return PAGE
