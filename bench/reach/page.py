"""Writes a run into docs/legacy-tls.md."""

from pathlib import Path

from bench.process import ROOT

PAGE = ROOT / "docs" / "legacy-tls.md"


def publish(parts: dict[str, str], page: Path = PAGE) -> None:
    """Replace what stands between the markers of each part, `<!-- NAME: begin -->` and `<!-- NAME: end -->`."""
    text = page.read_text()
    for name, part in parts.items():
        before, begin, rest = text.partition(f"<!-- {name}: begin -->")
        _, end, after = rest.partition(f"<!-- {name}: end -->")
        if not (begin and end):
            raise ValueError(f"{page}: the markers of {name} are missing")
        text = f"{before}{begin}\n\n{part}\n\n{end}{after}"
    page.write_text(text)
