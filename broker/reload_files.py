"""The files that a configuration names: which they are, whether they changed, and what is in them."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from broker.config.model import Config

Stamp = tuple[int, int, int, int] | None
"""Time of change, size, inode and device of what a path leads to; None where it leads nowhere."""
Digests = Mapping[Path, bytes | None]
"""What is in files; None where they cannot be read."""

PARTS = ("limits", "listeners", "upstreams", "callers", "routes")
"""Sections whose files are read when a configuration is put to work. Those of `secrets` are the store's own affair."""


def files_in(value: Any) -> Iterator[Path]:
    """All paths below `value`, in whatever class they stand."""
    if isinstance(value, Path):
        yield value
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from files_in(getattr(value, name))
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from files_in(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from files_in(item)


def files_of(config: Config) -> set[Path]:
    """All that a change of them concerns."""
    return {path for part in PARTS for path in files_in(getattr(config, part))}


def stamp(path: Path) -> Stamp:
    """Cheap to compare; links are followed, because Kubernetes swaps one to replace a whole mount."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino, status.st_dev


def stamps(paths: Iterable[Path]) -> dict[Path, Stamp]:
    """Of several files."""
    return {path: stamp(path) for path in paths}


def digests(paths: Iterable[Path]) -> dict[Path, bytes | None]:
    """What tells one content from another."""
    return {path: _digest(path) for path in paths}


def _digest(path: Path) -> bytes | None:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    except OSError:
        return None
