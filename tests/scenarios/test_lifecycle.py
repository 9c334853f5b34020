"""The broker as a process: it starts or says why not in a line, and ends without dropping a call."""

import datetime as dt
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from broker.testing import contexts
from broker.testing.pki import Authority

SECRET = "s3cr3t-of-the-warehouse"
KEY = "k3y-of-the-caller"
REQUEST = b"GET /thing?token=hush HTTP/1.1\r\nHost: localhost\r\nX-Api-Key: " + KEY.encode() + b"\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone"
PATIENCE = 20


class Place:
    """A directory with a routes file and what it names."""

    def __init__(self, base: Path) -> None:
        self.base = base
        later = dt.datetime.now(dt.UTC) + dt.timedelta(days=365)
        self.authority = Authority.create(not_after=later)
        chain, key = self.authority.issue(not_after=later).write(base, "server")
        self.environment = {**os.environ, "CALLER_KEY": KEY, "WMS_PASSWORD": SECRET, "WMS_USER": "wms"}
        self.routes: dict[str, Any] = {
            "version": 1,
            "admin": {"bind": "127.0.0.1:0"},
            "listeners": {
                "in": {
                    "bind": "127.0.0.1:0",
                    "tls": {"certificates": [{"chain": chain.name, "key": key.name}]},
                }
            },
            "upstreams": {"back": {"targets": ["http://127.0.0.1:9"]}},
            "callers": {"fno": {"type": "api_key", "header": "X-Api-Key", "key": "env:CALLER_KEY"}},
            "routes": [
                {
                    "name": "all",
                    "match": {"path": "/"},
                    "callers": ["fno"],
                    "upstream": "back",
                    "credentials": {"type": "basic", "username": "env:WMS_USER", "password": "env:WMS_PASSWORD"},
                }
            ],
        }

    def start(self) -> "subprocess.Popen[str]":
        (self.base / "routes.yaml").write_text(yaml.safe_dump(self.routes))
        return subprocess.Popen(
            [sys.executable, "-m", "broker", "run"],
            cwd=self.base,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def refused(self) -> str:
        """The only line of a broker that does not start."""
        process = self.start()
        out, err = process.communicate(timeout=PATIENCE)
        lines = err.splitlines()
        assert process.returncode == 2, err
        assert out == ""
        assert len(lines) == 1, err
        assert "Traceback" not in err
        assert SECRET not in err
        assert KEY not in err
        return lines[0]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.fixture
def backend() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(PATIENCE)
        yield server


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_the_call_under_way_finish(place: Place, backend: socket.socket, number: signal.Signals) -> None:
    place.routes["upstreams"]["back"]["targets"] = [f"http://127.0.0.1:{backend.getsockname()[1]}"]
    process = place.start()
    assert process.stderr is not None
    err: list[str] = []
    try:
        port = ready_port(process, err)
        draining = threading.Event()
        watcher = threading.Thread(target=watch, args=(process, err, draining))
        watcher.start()
        with connected(place, port) as caller, connected(place, port) as idle:
            caller.sendall(REQUEST)
            upstream, _ = backend.accept()
            with upstream:
                upstream.settimeout(PATIENCE)
                assert upstream.recv(65536)
                process.send_signal(number)
                assert draining.wait(PATIENCE)
                assert idle.recv(100) == b""
                with pytest.raises(OSError):
                    connected(place, port)
                upstream.sendall(ANSWER)
                answer = b""
                while data := caller.recv(65536):
                    answer += data
        assert process.wait(PATIENCE) == 0
        watcher.join(PATIENCE)
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        out = process.stdout.read()
        process.stdout.close()
        process.stderr.close()
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"\r\nConnection: close\r\n" in answer
    assert answer.endswith(b"\r\n\r\ndone")
    assert [json.loads(line)["status"] for line in out.splitlines()] == [200]
    everything = out + "".join(err)
    assert "Traceback" not in everything
    assert not [word for word in (SECRET, KEY, "hush", "PRIVATE KEY") if word in everything]


def ready_port(process: "subprocess.Popen[str]", err: list[str]) -> int:
    """The port of the listener, once it is bound."""
    assert process.stderr is not None
    for line in process.stderr:
        err.append(line)
        entry = json.loads(line)
        if entry["event"] == "ready":
            return int(entry["listeners"]["in"].rpartition(":")[2])
    raise AssertionError("".join(err))


def watch(process: "subprocess.Popen[str]", err: list[str], draining: threading.Event) -> None:
    assert process.stderr is not None
    for line in process.stderr:
        err.append(line)
        if '"draining"' in line:
            draining.set()


def connected(place: Place, port: int) -> ssl.SSLSocket:
    """A caller's connection; it raises when the broker leaves without close_notify."""
    plain = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
    context = contexts.client_context(place.authority.ca_pem)
    return context.wrap_socket(plain, server_hostname="localhost", suppress_ragged_eofs=False)


@pytest.mark.parametrize("what", ["listener", "admin"])
def test_a_busy_port_is_one_line(place: Place, what: str, backend: socket.socket) -> None:
    part = place.routes["listeners"]["in"] if what == "listener" else place.routes["admin"]
    bind = part["bind"] = f"127.0.0.1:{backend.getsockname()[1]}"
    line = place.refused()
    assert bind in line
    assert "in use" in line


def test_a_missing_key_is_one_line(place: Place) -> None:
    (place.base / "server.key").unlink()
    assert "certificates[0].key" in place.refused()


def test_a_key_that_is_none_is_one_line(place: Place) -> None:
    (place.base / "server.key").write_text("no key\n")
    assert "key" in place.refused()


def test_a_key_that_cannot_be_read_is_one_line(place: Place) -> None:
    (place.base / "server.key").unlink()
    (place.base / "server.key").mkdir()
    assert "certificates[0].key" in place.refused()


@pytest.mark.parametrize("name", ["CALLER_KEY", "WMS_PASSWORD"])
def test_a_missing_secret_is_one_line(place: Place, name: str) -> None:
    del place.environment[name]
    assert f"env:{name}" in place.refused()


def test_a_missing_routes_file_is_one_line(place: Place) -> None:
    command = [sys.executable, "-m", "broker", "run", "-c", "none.yaml"]
    done = subprocess.run(command, cwd=place.base, capture_output=True, text=True, timeout=PATIENCE)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert "none.yaml" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_start_that_waits_for_a_secret(place: Place, number: signal.Signals) -> None:
    with socket.create_server(("127.0.0.1", 0)) as vault:
        vault.settimeout(PATIENCE)
        address = f"http://127.0.0.1:{vault.getsockname()[1]}"
        place.environment["VAULT_TOKEN"] = SECRET
        place.routes["secrets"] = {
            "timeout": "2s",
            "vault": {"address": address, "auth": {"type": "token", "token": "env:VAULT_TOKEN"}},
        }
        place.routes["routes"][0]["credentials"] = {"type": "bearer", "token": "vault:kv/warehouse#token"}
        process = place.start()
        asked, _ = vault.accept()
        with asked:
            process.send_signal(number)
            _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, err
    assert "Traceback" not in err
