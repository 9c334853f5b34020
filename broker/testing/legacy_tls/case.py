"""What a case is, and what it yields while it is served."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from broker.testing.legacy_tls import programs


@dataclass(frozen=True)
class Served:
    """A server of the past that runs now."""

    host: str
    port: int
    body: bytes = b""
    """What the answer to any GET holds; empty where there is no such answer."""
    ca: Path | None = None
    """PEM of the root that issued its certificate; None for a certificate that stands alone, and without one."""
    pin: str | None = None
    """SHA-256 of its certificate in hex; None when it shows none."""
    tls: Mapping[str, Any] = field(default_factory=dict)
    """The `tls` settings that a broker needs beside trust."""
    path: str = "/"
    """Where the behaviour shows; any other path is answered as well."""
    status: int = 200
    """The status of that answer; 0 where there is none."""

    @property
    def trust(self) -> dict[str, Any]:
        """The `tls` settings that make this certificate trusted and no other."""
        if self.ca:
            return {"ca": str(self.ca)}
        return {"pin_sha256": [self.pin]} if self.pin else {"unsafe_skip_verify": True}

    @property
    def settings(self) -> dict[str, Any]:
        """The whole `tls` mapping of an upstream."""
        return {**self.trust, **self.tls}


Serve = Callable[[Path], AbstractContextManager[Served]]
"""Runs a server, whose files may go into the directory, until the end of the block."""


@dataclass(frozen=True)
class Case:
    """One behaviour of the past."""

    name: str
    title: str
    serve: Serve
    needs: tuple[str, ...] = ()
    """The programs it takes, see `programs.find`."""
    group: str = "tls"
    """`tls`: HTTPS that a broker should reach. `http`: HTTP behaviour over old TLS. `oddity`: not HTTPS."""

    def why_not(self) -> str | None:
        """Why it cannot run here; None when it can."""
        return next((reason for need in self.needs if (reason := programs.why_missing(need))), None)
