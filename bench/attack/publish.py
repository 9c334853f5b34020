"""Writes a run into docs/attack.md and docs/attack.png, and its sentence into README.md."""

import re
import textwrap
from pathlib import Path

from bench.attack.plot import plot
from bench.attack.tables import report, sentence
from bench.attack.targets import Results
from bench.process import ROOT
from bench.publish import replace_results

PAGE, PICTURE, FRONT = ROOT / "docs" / "attack.md", ROOT / "docs" / "attack.png", ROOT / "README.md"
_LEAD = "* **Many and slow callers:**"
_WIDTH = 119


def publish(results: Results) -> list[Path]:
    """Replaces what stands between the page's markers, and the item of the front page; returns what was written."""
    replace_results(PAGE, report(results))
    plot(results, PICTURE)
    FRONT.write_text(with_sentence(FRONT.read_text(), sentence(results)))
    return [PAGE, PICTURE, FRONT]


def with_sentence(front: str, said: str) -> str:
    """The front page with its item on many callers saying so; raises `ValueError` if it has none."""
    item = f"{_LEAD} {said} One run of `python -m bench.attack`, one core each ([how](docs/attack.md))."
    lines = textwrap.fill(item, _WIDTH, subsequent_indent="  ", break_on_hyphens=False)
    changed, count = re.subn(rf"^{re.escape(_LEAD)}.*(?:\n  .*)*", lambda _: lines, front, flags=re.MULTILINE)
    if count != 1:
        raise ValueError(f"{FRONT}: there is no one item that begins with {_LEAD!r}")
    return changed
