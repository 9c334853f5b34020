"""Builds the legacy server and its direct client: C programs on the private OpenSSL, which has what they need."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from bench import generator
from bench.process import ROOT

OPENSSL = ROOT / ".obsolete-tls"
_NATIVE = Path(__file__).parent / "native"
_HTTP = generator.SOURCES / "http.c"


@dataclass(frozen=True)
class Tools:
    """The built programs; `load` and `plain` are those of the other benchmark."""

    load: Path
    plain: Path
    server: Path
    client: Path


def missing() -> str:
    """Why they cannot be built, or nothing."""
    return "" if (OPENSSL / "tree" / "libssl.a").exists() else "the private OpenSSL is missing: make obsolete-tls"


def build(directory: Path) -> Tools:
    """Compiles all four."""
    shared = generator.build(directory)
    tools = Tools(shared.generator, shared.upstream, directory / "legacy-server", directory / "legacy-client")
    _compile(tools.server, "server.c")
    _compile(tools.client, "client.c")
    return tools


def openssl_version() -> str:
    """Of the private OpenSSL."""
    done = subprocess.run([OPENSSL / "openssl", "version"], capture_output=True, text=True, timeout=20, check=True)
    return done.stdout.split(" ")[1]


def _compile(target: Path, source: str) -> None:
    tree = OPENSSL / "tree"
    inputs: list[str | Path] = [_NATIVE / source, _NATIVE / "legacy.c", _HTTP, tree / "libssl.a", tree / "libcrypto.a"]
    flags: list[str | Path] = ["-O2", "-Wall", f"-I{tree / 'include'}", "-o", target]
    subprocess.run([os.environ.get("CC", "cc"), *flags, *inputs, "-lpthread", "-ldl"], check=True)
