"""Where the measurements happen: servers, broker, load, each on its core."""

import contextlib
import itertools
import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import generator
from bench.cores import Cores, choose_cores
from bench.generator import Load
from bench.lab import Running
from bench.obsolete import servers
from bench.obsolete.routes import configuration
from bench.obsolete.servers import Identity
from bench.obsolete.tools import Tools, build
from bench.obsolete.ways import Way
from bench.pki import Certificate, make_certificate
from bench.process import Pinned, free_port


@dataclass(frozen=True)
class Place:
    """What all parts share. Use `open_place`."""

    directory: Path
    tools: Tools
    cores: Cores
    certificate: Certificate
    identity: Identity
    servers: Mapping[str, Running]
    """`nginx` and `legacy`, which are of the past, and `plain`, which speaks plain HTTP."""
    ways: Sequence[Way]
    numbers: Iterator[int]

    @contextlib.contextmanager
    def broker(self, *prefix: str) -> Iterator[Running]:
        """A broker with a route for each way; `prefix` are words to run it under, `-m broker` if there are none."""
        port, path = free_port(), self.directory / f"routes-{next(self.numbers)}.yaml"
        ports = {name: server.port for name, server in self.servers.items()}
        path.write_text(json.dumps(configuration(port, self.certificate, self.identity, self.ways, ports), indent=1))
        words = [sys.executable, *(prefix or ("-m", "broker")), "run", "-c", str(path)]
        with Pinned(words, self.cores.proxy, path.with_suffix(".log"), {"BENCH_KEY": "k" * 32}) as process:
            process.wait_for_port(port)
            yield Running("broker", port, process)

    def load(self, target: Running, load: Load) -> dict[str, Any]:
        """Puts a load on the broker, to its end."""
        pids = target.process.tree()
        try:
            return generator.run_load(self.tools.load, self.cores.generator, target.port, load, pids, seconds=60)
        except generator.LoadError as error:
            raise generator.LoadError(f"{error}; the broker wrote: {target.process.tail()}") from error


def cpu_of(target: Running) -> float:
    """Seconds that its processes have taken; the numbers of their clocks are made of theirs (clock_getcpuclockid)."""
    return sum(time.clock_gettime((~pid << 3) | 2) for pid in target.process.tree())


@contextlib.contextmanager
def open_place(directory: Path, ways: Sequence[Way]) -> Iterator[Place]:
    """Builds the programs, makes the certificates, starts the servers."""
    tools, cores, identity = build(directory), choose_cores(), servers.make_identity(directory)
    ports = {name: free_port() for name in ("nginx", "legacy", "plain")}
    commands: dict[str, Sequence[str | Path]] = {
        "nginx": servers.nginx_command(directory, identity, ports["nginx"]),
        "legacy": servers.legacy_command(tools, identity, ports["legacy"]),
        "plain": [tools.plain, str(ports["plain"])],
    }
    with contextlib.ExitStack() as stack:
        running = {}
        for name, command in commands.items():
            process = stack.enter_context(Pinned(command, cores.upstream, directory / f"{name}.log"))
            process.wait_for_port(ports[name])
            running[name] = Running(name, ports[name], process)
        certificate = make_certificate(directory)
        yield Place(directory, tools, cores, certificate, identity, running, ways, itertools.count())
