"""Which event loop tests run on, and that no secret shows."""

import asyncio
from collections.abc import Callable, Mapping

import pytest
import secret_watch
import uvloop


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Wire tests run on the loop of `broker run`, all others on the standard library's."""
    if "wire" in item.path.parts:
        return {"uvloop": uvloop.new_event_loop}
    return {"asyncio": asyncio.new_event_loop}


def pytest_configure(config: pytest.Config) -> None:
    """Search what each test writes for its secrets."""
    secret_watch.pytest_configure(config)
