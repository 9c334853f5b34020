"""The place where measurements happen: the upstream, the peers, the generator, each on its core."""

import contextlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import generator
from bench.cores import Cores, choose_cores
from bench.generator import Load, Tools
from bench.peers import Peer, Setup
from bench.pki import Certificate, make_certificate
from bench.process import Pinned, free_port


@dataclass(frozen=True)
class Running:
    """A peer that accepts connections."""

    name: str
    port: int
    process: Pinned


@dataclass(frozen=True)
class Lab:
    """What all cases share. Use `open_lab`."""

    directory: Path
    tools: Tools
    cores: Cores
    certificate: Certificate
    upstream: Running
    numbers: Iterator[int]

    @contextlib.contextmanager
    def start(self, peer: Peer, routes: int = 1, **more: int) -> Iterator[Running]:
        """Runs a peer, alone on its core but for the other peers, which are idle while it is measured.

        `more` are further fields of its `Setup`.
        """
        port = free_port()
        directory = self.directory / f"{peer.name}-{next(self.numbers)}"
        directory.mkdir()
        setup = Setup(directory, self.certificate, port, self.upstream.port, routes, **more)
        command = peer.prepare(setup)
        with Pinned(command.argv, self.cores.proxy, directory / "log", command.environment) as process:
            process.wait_for_port(port)
            yield Running(peer.name, port, process)

    def load(self, target: Running, load: Load) -> dict[str, Any]:
        """Puts a load on a peer; the result holds the CPU seconds its processes took for it, and those they waited."""
        waited = target.process.waited()
        try:
            result = generator.run_load(
                self.tools.generator, self.cores.generator, target.port, load, target.process.tree()
            )
        except generator.LoadError as error:
            raise generator.LoadError(f"{target.name}: {error}; it wrote: {target.process.tail()}") from error
        return {**result, "waited_seconds": target.process.waited() - waited}


@contextlib.contextmanager
def open_lab(directory: Path) -> Iterator[Lab]:
    """Builds the tools, makes the certificate, starts the upstream."""
    directory.mkdir(parents=True, exist_ok=True)
    tools, cores, port = generator.build(directory), choose_cores(), free_port()
    argv: list[str | Path] = [tools.upstream, str(port)]
    with Pinned(argv, cores.upstream, directory / "upstream.log") as process:
        process.wait_for_port(port)
        upstream = Running("direct", port, process)
        yield Lab(directory, tools, cores, make_certificate(directory), upstream, itertools.count())
