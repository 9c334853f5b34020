"""What a peer is given, and what it says of itself."""

import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bench.pki import Certificate

HEAD_SECONDS, STALL_SECONDS, IDLE_SECONDS, UPSTREAM_SECONDS = 10, 30, 120, 60
"""The deadlines that every peer keeps: for a request's head, for a transfer without progress where a peer has one for
that, for a silent connection, for the upstream."""


@dataclass(frozen=True)
class Setup:
    """Where a peer listens, what it serves and to whom it forwards. `routes` is for the broker alone.

    `connections`, of both hops, are what a peer has to make room for; `idle_seconds` is how long a silent one is kept.
    """

    directory: Path
    certificate: Certificate
    port: int
    upstream_port: int
    routes: int = 1
    connections: int = 8192
    idle_seconds: int = IDLE_SECONDS


@dataclass(frozen=True)
class Command:
    """How a peer is started once its configuration is written."""

    argv: list[str]
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Peer:
    """`missing` says why the peer cannot run here, or nothing; `prepare` writes the configuration."""

    name: str
    label: str
    missing: Callable[[], str]
    version: Callable[[], str]
    prepare: Callable[[Setup], Command]


def first_line(*argv: str) -> str:
    """What a program says when it is asked for its version."""
    done = subprocess.run(argv, capture_output=True, text=True, timeout=20, check=False)
    return (done.stdout + done.stderr).strip().split("\n")[0]
