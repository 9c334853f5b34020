"""What the packaging tests share: where things are."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return Path(__file__).resolve().parents[3]


@pytest.fixture(scope="session")
def chart(root: Path) -> Path:
    """The directory of the Helm chart."""
    return root / "helm"
