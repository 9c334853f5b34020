"""Secrets in files: `file:PATH`, relative to the directory `secrets.files`, less one line end."""

import asyncio
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from broker.core.secret import Secret, SecretUnavailable
from broker.secretstore.provider import Fetched, Threads

_MOST: Final = 1024 * 1024
_TRIES: Final = 5
Stamp = tuple[int, int, int, int, int] | None
"""Device, inode, size and times of a file; None where there is none. Another one may hold another secret."""


def read_file(base: Path, path: str) -> Secret:
    """The file's content; raises `SecretUnavailable`."""
    return _read(base, path)[0]


def _read(base: Path, path: str) -> tuple[Secret, bool]:
    """The content, and whether nobody wrote to the file meanwhile."""
    try:
        with (base / path).open("rb") as file:
            before = _stamp(os.fstat(file.fileno()))
            value = file.read(_MOST + 1)
            still = _stamp(os.fstat(file.fileno())) == before
    except OSError as error:
        raise SecretUnavailable(f"file:{path}: {error.strerror} (looked in {base})") from None
    value = value.removesuffix(b"\n").removesuffix(b"\r")
    if not value or len(value) > _MOST:
        raise SecretUnavailable(f"file:{path}: the file is {'too large' if value else 'empty'}")
    return Secret(value), still


def _stamp(status: os.stat_result) -> Stamp:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


class FileProvider:
    """Reads a file again when it is another one, as after the swap of a link that Kubernetes does to its mounts.

    A file that changed is read only once it has been left alone for `settle` seconds: programs that write in place
    leave half a secret there for a moment, and a half one must never be sent.
    """

    def __init__(self, base: Path, settle: float) -> None:
        self._base = base
        self._settle = settle
        self._known: dict[str, Stamp] = {}
        self._threads = Threads("file", 2)

    def split(self, rest: str) -> tuple[str, str]:
        """The path."""
        return rest, ""

    def read(self, place: str) -> Fetched:
        """The content as it is now; raises `SecretUnavailable`."""
        self._known[place] = self._look(place)
        value, still = _read(self._base, place)
        if not still:
            self._known.pop(place)
            raise SecretUnavailable(f"file:{place}: the file changed while it was read")
        return Fetched({"": value})

    async def fetch(self, place: str, *, fresh: bool) -> Fetched:
        """The content, once nobody is writing; raises `SecretUnavailable`."""
        seen = await self._threads.run(lambda: self._look(place))
        for _ in range(_TRIES):
            if seen == self._known.get(place, ()):
                break
            await asyncio.sleep(self._settle)
            before, seen = seen, await self._threads.run(lambda: self._look(place))
            if seen == before:
                break
        else:
            raise SecretUnavailable(f"file:{place}: the file does not stop changing")
        return await self._threads.run(lambda: self.read(place))

    async def changed(self, places: Iterable[str]) -> set[str]:
        """Which of them are not what was looked at last; costs one `stat` each."""
        listed = list(places)
        return await self._threads.run(lambda: {place for place in listed if self._moved(place)})

    async def close(self) -> None:
        """End the threads."""
        await self._threads.close()

    def _moved(self, place: str) -> bool:
        return self._look(place) != self._known.get(place, ())

    def _look(self, place: str) -> Stamp:
        try:
            return _stamp((self._base / place).stat())
        except OSError:
            return None
