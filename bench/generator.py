"""Builds and runs the load generator and the upstream, which are small C programs: Python could not saturate nginx."""

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SOURCES = Path(__file__).parent / "loadgen"
GENERATOR = ("loadgen.c", "call.c", "conn.c", "stats.c", "options.c", "http.c")
UPSTREAM = ("upstream.c", "http.c")


class LoadError(RuntimeError):
    """The generator failed, or counted failed calls."""


@dataclass(frozen=True)
class Tools:
    """The built programs."""

    generator: Path
    upstream: Path


def build(directory: Path) -> Tools:
    """Compiles both programs; needs a C compiler and the headers of OpenSSL (Debian: libssl-dev)."""
    tools = Tools(directory / "loadgen", directory / "upstream")
    _compile(tools.generator, GENERATOR, "-lssl", "-lcrypto")
    _compile(tools.upstream, UPSTREAM)
    return tools


def _compile(target: Path, sources: tuple[str, ...], *libraries: str) -> None:
    paths = [str(SOURCES / source) for source in sources]
    subprocess.run([os.environ.get("CC", "cc"), "-O2", "-Wall", "-o", str(target), *paths, *libraries], check=True)


Load = Mapping[str, str | int | float | bool]
"""Options of the generator by name, without their dashes; True is a flag."""


def arguments(port: int, load: Load, pids: list[int]) -> list[str]:
    """The command line for a load on a port, with the processes whose CPU time is counted."""
    words = ["--port", str(port)]
    for name, value in load.items():
        words += [f"--{name}"] if value is True else [] if value is False else [f"--{name}", str(value)]
    for pid in pids:
        words += ["--pid", str(pid)]
    return words


def run_load(
    generator: Path, core: int, port: int, load: Load, pids: list[int], *, seconds: float = 180
) -> dict[str, Any]:
    """Runs one load to its end; raises `LoadError` when a call failed or no call was made."""
    done = subprocess.run(
        ["taskset", "-c", str(core), str(generator), *arguments(port, load, pids)],
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    if done.returncode or not done.stdout:
        raise LoadError(f"exit code {done.returncode}: {done.stdout[:300]} {done.stderr[-1500:]}")
    result: dict[str, Any] = json.loads(done.stdout)
    if result["errors"] or not result["requests"]:
        raise LoadError(f"{result['errors']} failed of {result['requests']}: {done.stderr[-1500:]}")
    return result
