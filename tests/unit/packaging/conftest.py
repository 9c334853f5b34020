"""What the packaging tests share: where things are."""

from importlib.util import find_spec
from pathlib import Path

import pytest

# Rendering needs Helm's own engine. Where that package is not installed, the chart is still held to its schema.
collect_ignore = [] if find_spec("helm_python") else ["test_chart_rendered.py"]


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return Path(__file__).resolve().parents[3]


@pytest.fixture(scope="session")
def chart(root: Path) -> Path:
    """The directory of the Helm chart."""
    return root / "helm"
