"""The server's side of logins, by pyspnego."""

import os
import tempfile
import threading
from base64 import b64decode, b64encode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import spnego
from spnego.channel_bindings import GssChannelBindings

_VARIABLE = "NTLM_USER_FILE"
_lock = threading.Lock()


@dataclass(frozen=True)
class User:
    """Somebody whom the server knows; a name with a realm has no domain."""

    domain: str
    name: str
    password: str = field(repr=False)


@contextmanager
def accounts(users: Sequence[User]) -> Iterator[Path]:
    """A file with these users, for as long as the block lasts."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "users"
        path.write_text("".join(f"{user.domain}:{user.name}:{user.password}\n" for user in users))
        path.chmod(0o600)
        yield path


class Acceptor:
    """One login."""

    def __init__(self, file: Path, scheme: bytes, bindings: GssChannelBindings | None) -> None:
        """`bindings`: what the login has to be bound to; None where that is not asked."""
        self._file = file
        self._bindings = bindings
        with _users(file):
            self._context = spnego.server(protocol=scheme.decode().lower(), channel_bindings=bindings)
        self.user: str | None = None
        """Who it is, once that is proved."""
        self.failed = False

    def answer(self, token: bytes) -> bytes:
        """The next token in base64, empty where there is none."""
        try:
            with _users(self._file):
                out = self._context.step(b64decode(token), channel_bindings=self._bindings)
        except Exception:
            self.failed = True
            return b""
        if self._context.complete:
            self.user = self._context.client_principal
        return b64encode(out or b"")


@contextmanager
def _users(file: Path) -> Iterator[None]:
    # pyspnego finds its users by a variable of the environment; each server has users of its own.
    with _lock:
        before = os.environ.get(_VARIABLE)
        os.environ[_VARIABLE] = str(file)
        try:
            yield
        finally:
            if before is None:
                del os.environ[_VARIABLE]
            else:
                os.environ[_VARIABLE] = before
