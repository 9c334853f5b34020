"""From a reference to its secret: one provider for each scheme."""

from collections.abc import Callable
from pathlib import Path

from broker.core.ports import Reference, SecretResolver
from broker.core.secret import Secret, SecretUnavailable
from broker.secretstore.env import read_env
from broker.secretstore.file import read_file


def resolver(files: Path) -> SecretResolver:
    """A resolver whose `file:` references are relative to `files`."""
    providers: dict[str, Callable[[str], Secret]] = {
        "env": read_env,
        "file": lambda path: read_file(files, path),
    }

    def resolve(reference: Reference) -> Secret:
        provider = providers.get(reference.scheme)
        if provider is None:
            raise SecretUnavailable(f"{reference.scheme}: no provider for this scheme")
        return provider(reference.rest)

    return resolve
