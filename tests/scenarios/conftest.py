"""A broker and its identity for each scenario."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from scenario_broker import Broker, Start


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a broker with these upstreams, until the end of the test."""
    with ExitStack() as stack:

        def run(upstreams: dict[str, dict[str, Any]], **options: Any) -> Broker:
            directory = tmp_path / "broker"
            directory.mkdir()
            return stack.enter_context(Broker(directory, upstreams, **options))

        yield run
