"""What a proxy of this comparison is."""

from collections.abc import Callable
from dataclasses import dataclass

from bench.peers.setup import Command
from bench.reach.wish import Wish


@dataclass(frozen=True)
class Proxy:
    """`missing` says why it cannot run here, or nothing; `prepare` writes the configuration."""

    name: str
    label: str
    missing: Callable[[], str]
    version: Callable[[], str]
    prepare: Callable[[Wish], Command]
    limits: str
    """How weak it can be configured."""
