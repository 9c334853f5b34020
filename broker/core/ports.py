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


class SecretSource(Protocol):
    """A secret whose value may change while the broker runs."""

    @property
    def version(self) -> int:
        """Grows with each changed value; 0 while there never was one."""

    def current(self) -> Secret:
        """The last good value; raises `SecretUnavailable` when there never was one."""

    async def renew(self, seen: int | None = None) -> bool:
        """Ask the provider now; whether the value changed. It raises nothing: a failure leaves the last good value.

        `seen` is the version that turned out to be stale: when there is another by now, nobody is asked. Calls at the
        same time share one request, and one soon after another asks nobody.
        """


SourceResolver = Callable[[Reference], SecretSource]
"""The one source of a reference; raises `SecretUnavailable` when nothing here can ever know it."""
