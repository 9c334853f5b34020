"""SIGHUP, and SIGTERM during a reload, of the broker as a process."""

import http.client
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from scenario_reload import AUTHORITY, Place

from broker.testing import contexts

PATIENCE = 20


class Process:
    """`broker run`, and what it logs."""

    def __init__(self, place: Place) -> None:
        place.write()
        self.popen = subprocess.Popen(
            [sys.executable, "-m", "broker", "run"], cwd=place.base, stderr=subprocess.PIPE, text=True
        )
        self.entries: list[dict[str, Any]] = []
        self._news = threading.Condition()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        self.ports = {
            name: int(address.rpartition(":")[2]) for name, address in self.wait("ready")["listeners"].items()
        }

    def _read(self) -> None:
        assert self.popen.stderr is not None
        for line in self.popen.stderr:
            with self._news:
                self.entries.append(json.loads(line))
                self._news.notify_all()

    def wait(self, event: str, count: int = 1) -> dict[str, Any]:
        """The entry of the event's `count`-th time."""

        def found() -> list[dict[str, Any]]:
            return [entry for entry in self.entries if entry["event"] == event]

        with self._news:
            assert self._news.wait_for(lambda: len(found()) >= count, PATIENCE), self.entries
            return found()[count - 1]

    def status(self, path: str) -> int:
        context = contexts.client_context(AUTHORITY.ca_pem)
        connection = http.client.HTTPSConnection("localhost", self.ports["in"], context=context, timeout=PATIENCE)
        try:
            connection.request("GET", path)
            return connection.getresponse().status
        finally:
            connection.close()

    def end(self) -> None:
        self.popen.kill()
        self.popen.wait()
        self._reader.join()
        assert self.popen.stderr is not None
        self.popen.stderr.close()


@contextmanager
def process(base: Path, change: Callable[[Place], None] = lambda _: None) -> Iterator[tuple[Process, Place]]:
    with socket.create_server(("127.0.0.1", 0)) as port:
        place = Place(base, port.getsockname()[1])
    change(place)
    running = Process(place)
    try:
        yield running, place
    finally:
        running.end()


def test_sighup_reloads_and_a_broken_file_is_told_of(tmp_path: Path) -> None:
    with process(tmp_path) as (running, place):
        assert running.status("/x") == 502
        place.document["routes"] = [place.route("other", "/other")]
        place.document["log"]["level"] = "warning"
        place.write("routes: [")
        running.popen.send_signal(signal.SIGHUP)
        assert running.wait("reload_failed")["trigger"] == "SIGHUP"
        faults = [entry["message"] for entry in running.entries if entry["level"] == "error"]
        assert faults[0].startswith("routes.yaml:1: not valid YAML")
        assert running.status("/x") == 502
        place.document["log"]["level"] = "info"
        place.write()
        running.popen.send_signal(signal.SIGHUP)
        assert running.wait("reloaded")["changes"]["routes"] == {"added": ["other"], "removed": ["all"]}
        assert running.status("/x") == 404
        running.popen.send_signal(signal.SIGTERM)
        assert running.popen.wait(PATIENCE) == 0


def test_the_level_of_the_log_follows_the_file(tmp_path: Path) -> None:
    with process(tmp_path) as (running, place):
        place.document["log"]["level"] = "error"
        place.write()
        running.popen.send_signal(signal.SIGHUP)
        deadline = time.monotonic() + PATIENCE
        place.document["routes"] = [place.route("other", "/other")]
        place.write()
        running.popen.send_signal(signal.SIGHUP)
        while running.status("/x") != 404:
            assert time.monotonic() < deadline
        assert not [entry for entry in running.entries if entry["event"] == "reloaded"]


def test_sigterm_during_a_reload_ends_the_broker(tmp_path: Path) -> None:
    def many(place: Place) -> None:
        place.document["routes"] += [place.route(f"r{index}", f"/{index}") for index in range(3000)]

    with process(tmp_path, many) as (running, place):
        place.document["routes"][1:] = []
        running.popen.send_signal(signal.SIGHUP)
        time.sleep(0.1)
        running.popen.send_signal(signal.SIGTERM)
        assert running.popen.wait(PATIENCE) == 0
        assert [entry["event"] for entry in running.entries][-1] == "draining"


def test_grace_goes_on_accepting_and_says_goodbye_with_each_answer(tmp_path: Path) -> None:
    with process(tmp_path, lambda place: place.document.update(drain_grace="1s")) as (running, _):
        plain = socket.create_connection(("127.0.0.1", running.ports["in"]), timeout=PATIENCE)
        with contexts.client_context(AUTHORITY.ca_pem).wrap_socket(plain, server_hostname="localhost") as kept:
            running.popen.send_signal(signal.SIGTERM)
            running.wait("draining")
            assert running.status("/x") == 502
            kept.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            answer = b""
            while data := kept.recv(65536):
                answer += data
            assert b"\r\nConnection: close\r\n" in answer
        assert running.popen.wait(PATIENCE) == 0


def test_a_mount_that_kubernetes_swaps_is_noticed(tmp_path: Path) -> None:
    def mounted(place: Place) -> None:
        place.document["reload"] = {"interval": "100ms"}
        version = tmp_path / "..one"
        version.mkdir()
        for name in ("server.crt", "server.key"):
            (tmp_path / name).rename(version / name)
            (tmp_path / name).symlink_to(f"..data/{name}")
        (tmp_path / "..data").symlink_to("..one")

    with process(tmp_path, mounted) as (running, _):
        version = tmp_path / "..two"
        version.mkdir()
        AUTHORITY.issue(["localhost"]).write(version, "server")
        (tmp_path / "..tmp").symlink_to("..two")
        (tmp_path / "..tmp").replace(tmp_path / "..data")
        entry = running.wait("reloaded")
        assert (entry["trigger"], entry["changes"]) == ("files", {"listeners": {"changed": ["in"]}})
