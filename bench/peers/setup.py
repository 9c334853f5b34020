"""What a peer is given, and what it says of itself."""

import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bench.pki import Certificate

HEAD_SECONDS, IDLE_SECONDS, UPSTREAM_SECONDS = 10, 120, 60
"""The deadlines that every peer keeps: for a request's head, for a silent connection, for the upstream."""


@dataclass(frozen=True)
class Setup:
    """Where a peer listens, what it serves and to whom it forwards. `routes` is for the broker alone."""

    directory: Path
    certificate: Certificate
    port: int
    upstream_port: int
    routes: int = 1


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
