"""SIGHUP while the broker starts: it goes on starting, and what the file says in the end is what it serves."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from scenario_reload import Place

PATIENCE = 20
IMPORTING = """
import os, signal, sys

class Hangups:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("broker", "pydantic", "uvloop"):
            os.kill(os.getpid(), signal.SIGHUP)

from broker.__main__ import main
sys.meta_path.insert(0, Hangups())
sys.exit(main())
"""
"""The verb, while each module that it needs brings a SIGHUP."""


@contextmanager
def starting(place: Place, *command: str) -> Iterator["subprocess.Popen[str]"]:
    place.write()
    process = subprocess.Popen([sys.executable, *command], cwd=place.base, stderr=subprocess.PIPE, text=True)
    guard = threading.Timer(PATIENCE, process.kill)
    guard.start()
    try:
        yield process
    finally:
        guard.cancel()
        process.kill()
        process.wait()
        assert process.stderr is not None
        process.stderr.close()


def told(process: "subprocess.Popen[str]", event: str) -> dict[str, Any]:
    """The next entry of the log about this."""
    assert process.stderr is not None
    seen = []
    for line in process.stderr:
        seen.append(line)
        entry: dict[str, Any] = json.loads(line)
        if entry["event"] == event:
            return entry
    raise AssertionError("".join(seen))


def test_no_sighup_ends_a_start(tmp_path: Path) -> None:
    with starting(Place(tmp_path, 9), "-c", IMPORTING, "run") as process:
        told(process, "ready")
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0


def test_other_verbs_take_sighup_as_ever(tmp_path: Path) -> None:
    with starting(Place(tmp_path, 9), "-c", IMPORTING, "check") as process:
        assert process.wait(PATIENCE) == -signal.SIGHUP


def test_a_change_that_is_told_during_the_start_takes_effect(tmp_path: Path) -> None:
    place = Place(tmp_path, 9)
    with socket.create_server(("127.0.0.1", 0)) as store:
        store.settimeout(PATIENCE)
        # The start waits for the store, and has read the file by then.
        place.document["limits"] = {"store": f"redis://127.0.0.1:{store.getsockname()[1]}"}
        place.document["routes"][0]["rate"] = "100/s"
        with starting(place, "-m", "broker", "run") as process:
            asked, _ = store.accept()
            place.document["routes"].append(place.route("new", "/new"))
            place.write()
            os.kill(process.pid, signal.SIGHUP)
            asked.close()
            told(process, "ready")
            assert told(process, "reloaded")["changes"]["routes"]["added"] == ["new"]
