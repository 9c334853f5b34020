"""Secrets in environment variables: `env:NAME`."""

import os

from broker.core.secret import Secret, SecretUnavailable
from broker.secretstore.provider import Fetched


def read_env(name: str) -> Secret:
    """The variable's value; raises `SecretUnavailable`."""
    value = os.environ.get(name)
    if not value:
        raise SecretUnavailable(f"env:{name}: the environment variable is {'empty' if value == '' else 'not set'}")
    return Secret(value.encode("utf-8", "surrogateescape"))


class EnvProvider:
    """Nobody but the process itself changes its environment, so there is nothing to watch."""

    def split(self, rest: str) -> tuple[str, str]:
        """The variable."""
        return rest, ""

    def read(self, place: str) -> Fetched:
        """The variable's value; raises `SecretUnavailable`."""
        return Fetched({"": read_env(place)})

    async def fetch(self, place: str, *, fresh: bool) -> Fetched:
        """The same."""
        return self.read(place)

    async def close(self) -> None:
        """Nothing is open."""
