"""A process that runs out of file descriptors goes on, and takes callers again once there are some."""

import json
import os
import resource
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
import yaml

from broker.testing import contexts
from broker.testing.pki import Authority

DESCRIPTORS = 64
PATIENCE = 20.0
GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


class Few:
    """A broker that may have few file descriptors."""

    def __init__(self, base: Path) -> None:
        self.authority = Authority.create()
        chain, key = self.authority.issue().write(base, "server")
        tls = {"certificates": [{"chain": str(chain), "key": str(key)}]}
        routes = {
            "version": 1,
            "admin": {"bind": "127.0.0.1:0"},
            "log": {"access": False},
            "listeners": {"in": {"bind": "127.0.0.1:0", "tls": tls, "timeouts": {"handshake": "60s"}}},
            "upstreams": {"nobody": {"targets": ["http://127.0.0.1:9"]}},
            "routes": [{"name": "all", "match": {"path": "/"}, "callers": "public", "upstream": "nobody"}],
        }
        (base / "routes.yaml").write_text(yaml.safe_dump(routes))
        self.log: list[dict[str, object]] = []
        self.process = subprocess.Popen(
            [sys.executable, "-m", "broker", "run", "-c", str(base / "routes.yaml")],
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS)),
        )
        self.port = self._ready()

    def _ready(self) -> int:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.log.append(json.loads(line))
            if self.log[-1]["event"] == "ready":
                listeners = self.log[-1]["listeners"]
                assert isinstance(listeners, dict)
                return int(listeners["in"].rpartition(":")[2])
        raise AssertionError(self.log)

    def ask(self) -> bytes:
        """How the answer to a call on a new connection begins."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE) as plain:
            context = contexts.client_context(self.authority.ca_pem)
            with context.wrap_socket(plain, server_hostname="localhost") as caller:
                return self.ask_on(caller)

    def ask_on(self, caller: ssl.SSLSocket) -> bytes:
        caller.sendall(GET)
        return caller.recv(65536)[:12]

    def processor_seconds(self) -> float:
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.fixture
def few(tmp_path: Path) -> Iterator[Few]:
    broker = Few(tmp_path)
    yield broker
    broker.process.terminate()
    broker.process.wait(PATIENCE)
    assert broker.process.stderr is not None
    broker.process.stderr.close()


def test_the_limits_on_connections_are_compared_with_the_descriptors(few: Few) -> None:
    [warning] = [line for line in few.log if line["event"] == "descriptors"]
    assert (warning["level"], warning["connections"], warning["descriptors"]) == ("warning", 20000, DESCRIPTORS)


def test_a_broker_without_descriptors_neither_dies_nor_spins(few: Few) -> None:
    with ExitStack() as stack:
        context = contexts.client_context(few.authority.ca_pem)
        first = stack.enter_context(
            context.wrap_socket(
                stack.enter_context(socket.create_connection(("127.0.0.1", few.port), timeout=PATIENCE)),
                server_hostname="localhost",
            )
        )
        for _ in range(2 * DESCRIPTORS):
            stack.enter_context(socket.create_connection(("127.0.0.1", few.port), timeout=PATIENCE))
        with pytest.raises(OSError):
            few.ask()
        before = few.processor_seconds()
        time.sleep(1)
        assert few.processor_seconds() - before < 0.5
        assert few.ask_on(first) == b"HTTP/1.1 502"
    deadline = time.monotonic() + PATIENCE
    answer = b""
    while not answer and time.monotonic() < deadline:
        with suppress(OSError):
            answer = few.ask()
    assert answer == b"HTTP/1.1 502"
    assert few.process.poll() is None
