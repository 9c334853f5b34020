"""What layers ask of each other where neither may import the other."""

from collections.abc import Callable
from typing import Protocol

from broker.core.secret import Secret


class Reference(Protocol):
    """Where a secret is."""

    @property
    def scheme(self) -> str:
        """Which provider knows it."""

    @property
    def rest(self) -> str:
        """What the provider needs to find it."""


SecretResolver = Callable[[Reference], Secret]
"""Resolves a reference; raises `SecretUnavailable`."""
