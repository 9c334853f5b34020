"""Secrets in files: `file:PATH`, relative to the directory `secrets.files`, less one line end."""

from pathlib import Path

from broker.core.secret import Secret, SecretUnavailable

_MOST = 1024 * 1024


def read_file(base: Path, path: str) -> Secret:
    """The file's content; raises `SecretUnavailable`."""
    try:
        with (base / path).open("rb") as file:
            value = file.read(_MOST + 1)
    except OSError as error:
        raise SecretUnavailable(f"file:{path}: {error.strerror} (looked in {base})") from None
    value = value.removesuffix(b"\n").removesuffix(b"\r")
    if not value or len(value) > _MOST:
        raise SecretUnavailable(f"file:{path}: the file is {'too large' if value else 'empty'}")
    return Secret(value)
