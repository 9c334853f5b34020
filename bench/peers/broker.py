"""The broker itself."""

import importlib.util
import json
import platform
import ssl
import sys
from importlib.metadata import version
from typing import Any

from bench.peers.setup import Command, Peer, Setup
from bench.process import free_port


def prepare(setup: Setup) -> Command:
    """Writes the routes file; JSON is YAML."""
    path = setup.directory / f"routes-{setup.routes}.yaml"
    path.write_text(json.dumps(configuration(setup), indent=1))
    return Command([sys.executable, "-m", "broker", "run", "-c", str(path)], {"BENCH_KEY": "k" * 32})


def configuration(setup: Setup) -> dict[str, Any]:
    """One route for everything, or as many as are asked for, at `/r0/`, `/r1/` and on."""
    files = {"chain": str(setup.certificate.chain), "key": str(setup.certificate.key)}
    listener = {
        "bind": f"127.0.0.1:{setup.port}",
        "tls": {"certificates": [files]},
        "timeouts": {"idle": f"{setup.idle_seconds}s"},
    }
    paths = ["/"] if setup.routes == 1 else [f"/r{number}/" for number in range(setup.routes)]
    return {
        "version": 1,
        "admin": {"bind": f"127.0.0.1:{free_port()}"},
        "log": {"access": False},
        "listeners": {"fno": listener},
        "upstreams": {"backend": {"targets": [f"http://127.0.0.1:{setup.upstream_port}"]}},
        "callers": {"bench": {"type": "api_key", "header": "X-Api-Key", "key": "env:BENCH_KEY"}},
        "routes": [
            {"name": f"r{number}", "match": {"path": path}, "callers": "public", "upstream": "backend"}
            for number, path in enumerate(paths)
        ],
    }


def _version() -> str:
    parts = (version("tls-broker"), f"CPython {platform.python_version()}", ssl.OPENSSL_VERSION.split(" ", 2)[:2])
    return f"{parts[0]} ({parts[1]}, {' '.join(parts[2])}, uvloop {version('uvloop')})"


def _missing() -> str:
    return "" if importlib.util.find_spec("broker.__main__") else "pip install -e ."


PEER = Peer("broker", "broker", _missing, _version, prepare)
