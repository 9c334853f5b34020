"""A clock that goes when it is told to."""

import pytest


class Clock:
    """Seconds; `now` is set by hand."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()
