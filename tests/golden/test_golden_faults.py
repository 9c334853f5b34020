"""Each routes file beside this one has exactly the faults in the text file of its name.

`GOLDEN=write pytest tests/golden` writes them anew; read the difference before you commit it.
"""

import os
from pathlib import Path

import pytest

from broker.config.load import examine_text

HERE = Path(__file__).parent
FILES = sorted(HERE.glob("*.yaml"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_faults(path: Path) -> None:
    _, faults = examine_text(path.read_text(encoding="utf-8"), path.name)
    found = "".join(f"{fault}\n" for fault in faults)
    expected = path.with_suffix(".txt")
    if os.environ.get("GOLDEN") == "write":
        expected.write_text(found, encoding="utf-8")
    assert found == expected.read_text(encoding="utf-8")
