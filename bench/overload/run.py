"""Starts the service, the broker where it is wanted, and the load client; and takes down what each saw."""

import contextlib
import dataclasses
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.cores import Cores, choose_cores
from bench.overload.client import STARTS_IN
from bench.overload.figures import figures
from bench.overload.routes import configuration, environment
from bench.overload.scenario import Scenario, Way
from bench.pki import Certificate, make_certificate
from bench.process import ROOT, Pinned, free_port


class LoadError(RuntimeError):
    """The load client failed."""


def run_way(way: Way, scenario: Scenario, directory: Path) -> dict[str, Any]:
    """One run, with processes of its own."""
    directory.mkdir()
    if way.patience is not None:
        scenario = dataclasses.replace(scenario, patience=way.patience)
    cores, certificate = choose_cores(), make_certificate(directory)
    with contextlib.ExitStack() as stack:
        service, port = stack.enter_context(_service(scenario, cores, directory))
        broker = None
        if way.broker:
            broker, port = stack.enter_context(_broker(way, scenario, cores, directory, certificate, port))
        cpu = _cpu(broker)
        seen = _load(way, scenario, cores, directory, port, certificate)
        cpu = _cpu(broker) - cpu
        states = [json.loads(line) for line in service.log.read_text().splitlines() if line.endswith("}")]
    return figures(scenario, seen, states) | {"broker_cpu_seconds": cpu}


@contextlib.contextmanager
def _service(scenario: Scenario, cores: Cores, directory: Path) -> Iterator[tuple[Pinned, int]]:
    port = free_port()
    argv = [sys.executable, "-m", "bench.overload.service", str(port), str(scenario.places), str(scenario.work)]
    with Pinned(argv, cores.upstream, directory / "service.log") as process:
        process.wait_for_port(port)
        yield process, port


@contextlib.contextmanager
def _broker(
    way: Way, scenario: Scenario, cores: Cores, directory: Path, certificate: Certificate, service: int
) -> Iterator[tuple[Pinned, int]]:
    port, path = free_port(), directory / "routes.yaml"
    path.write_text(json.dumps(configuration(scenario, way, port, certificate, service), indent=1))
    argv = [sys.executable, "-m", "broker", "run", "-c", str(path)]
    with Pinned(argv, cores.proxy, directory / "broker.log", environment()) as process:
        process.wait_for_port(port)
        yield process, port


def _load(
    way: Way, scenario: Scenario, cores: Cores, directory: Path, port: int, certificate: Certificate
) -> dict[str, Any]:
    path = directory / "load.json"
    ca = str(certificate.chain) if way.broker else ""
    path.write_text(json.dumps({"port": port, "ca": ca, "obey": way.obey, "scenario": dataclasses.asdict(scenario)}))
    done = subprocess.run(
        ["taskset", "-c", str(cores.generator), sys.executable, "-m", "bench.overload.client", str(path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=STARTS_IN + scenario.seconds + scenario.patience + 30,
        check=False,
    )
    if done.returncode:
        raise LoadError(f"exit code {done.returncode}: {done.stderr[-1500:]}")
    seen: dict[str, Any] = json.loads(done.stdout)
    return seen


def _cpu(process: Pinned | None) -> float:
    """Seconds that its processes have taken; the numbers of their clocks are made of theirs (clock_getcpuclockid)."""
    return sum(time.clock_gettime((~pid << 3) | 2) for pid in process.tree()) if process is not None else 0.0
