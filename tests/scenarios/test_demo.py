"""The demo works wherever it is started, and says in one line when it cannot."""

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

DEMO = [sys.executable, "-m", "broker", "demo"]
SECRETS = ("FNO_API_KEY", "LEGACY_USER", "LEGACY_PASSWORD")


@pytest.fixture
def environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in SECRETS}


@pytest.fixture
def serving(tmp_path: Path, environment: dict[str, str]) -> Iterator["subprocess.Popen[str]"]:
    process = subprocess.Popen(DEMO, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_the_demo_shows_every_step_and_exits(tmp_path: Path, environment: dict[str, str]) -> None:
    done = subprocess.run([*DEMO, "--once"], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=90)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"refused: .*unsupported protocol", done.stdout)
    assert re.search(r"POST https://127\.0\.0\.1:\d+/legacy/stockquote\.asmx → 200", done.stdout)
    assert "price of MSFT: 412.35" in done.stdout
    assert re.search(r"GET https://127\.0\.0\.1:\d+/legacy/api/items → 200", done.stdout)
    assert re.search(r"GET https://127\.0\.0\.1:\d+/legacy/api/items → 401", done.stdout)
    assert "Broker-Error: caller_unauthenticated" in done.stdout
    assert "broker_requests_total{" in done.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_call_to_paste_works_until_the_demo_is_stopped(
    serving: "subprocess.Popen[str]", tmp_path: Path, number: signal.Signals
) -> None:
    assert serving.stdout is not None
    curl = next(line for line in serving.stdout if line.startswith("curl "))
    pasted = subprocess.run(
        [*shlex.split(curl), "-sS", "--noproxy", "*"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert '"Torque wrench"' in pasted.stdout, pasted.stderr
    serving.send_signal(number)
    assert serving.wait(60) == 0
    assert list(tmp_path.iterdir()) == []


def test_a_missing_routes_file_is_one_line(tmp_path: Path) -> None:
    done = subprocess.run([*DEMO, "-c", "none.yaml"], cwd=tmp_path, capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "broker demo: there is no file none.yaml\n"


def test_a_busy_port_is_one_line(tmp_path: Path, environment: dict[str, str]) -> None:
    template = Path(__file__).parents[2] / "broker" / "testing" / "demo" / "routes.yaml"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        text = template.read_text().replace("$listener", str(port)).replace("$review_by", "2090-01-01")
        (tmp_path / "routes.yaml").write_text(text.replace("$admin", "1024").replace("$legacy", "1025"))
        done = subprocess.run(DEMO, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=30)
    assert done.returncode == 2
    assert done.stderr.startswith(f"broker demo: the broker cannot listen on 127.0.0.1:{port}: ")
    assert done.stderr.count("\n") == 1
