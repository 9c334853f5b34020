"""The demo's parts, without the broker."""

import os
import socket
import sys
import time
from pathlib import Path

import pytest
import yaml

from broker.config.address import BindAddress
from broker.testing.demo import calls, counted, setup
from broker.testing.demo.process import BrokerProcess, BrokerProcessError
from broker.testing.legacy import LegacyEndpoint
from broker.testing.pki import Authority

READY = """
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/readyz" else 404)
        self.end_headers()
print("listening", flush=True)
http.server.HTTPServer(("127.0.0.1", int(sys.argv[3])), Handler).serve_forever()
"""


@pytest.fixture
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def started(port: int, code: str) -> BrokerProcess:
    return BrokerProcess(Path(str(port)), ("127.0.0.1", port), command=(sys.executable, "-c", code))


def test_the_process_becomes_ready_and_stops(port: int) -> None:
    with started(port, READY) as process:
        process.wait_ready()
        assert process.exit_code is None
        assert "listening" in process.output
    assert process.exit_code == -15


def test_a_process_that_ends_is_reported_with_its_output(port: int) -> None:
    with started(port, "print('oops'); raise SystemExit(3)") as process:
        with pytest.raises(BrokerProcessError, match="exited with 3"):
            process.wait_ready()
        assert "oops" in process.output


def test_a_process_that_does_not_get_ready_is_given_up(port: int) -> None:
    with (
        started(port, "import time; time.sleep(60)") as process,
        pytest.raises(BrokerProcessError, match="not ready"),
    ):
        process.wait_ready(0.2)


def test_only_moved_metrics_of_the_broker_are_shown() -> None:
    text = (
        'broker_requests_total{{route="a b",status="200"}} {}\n'
        'broker_request_duration_seconds_bucket{{route="a b",le="1"}} {}\n'
        "broker_jobs 3\nprocess_open_fds {}\n"
    )
    before, after = counted.values(text.format(1, 1, 1)), counted.values(text.format(2, 2, 2))
    assert [str(move) for move in counted.moves(before, after)] == [
        'broker_requests_total{route="a b",status="200"}  1 → 2'
    ]
    assert len(counted.moves({}, after)) == 2


def test_secrets_of_the_environment_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FNO_API_KEY", "LEGACY_PASSWORD"):
        monkeypatch.setenv(name, "x")
        monkeypatch.delenv(name)
    monkeypatch.setenv("LEGACY_USER", "someone")
    assert setup.set_secrets()
    key = os.environ["FNO_API_KEY"]
    assert not setup.set_secrets()
    assert (os.environ["FNO_API_KEY"], os.environ["LEGACY_USER"]) == (key, "someone")
    assert len(key) > 20


def test_the_temporary_routes_file_uses_distinct_free_ports(tmp_path: Path) -> None:
    path = setup.write_files(tmp_path)
    content = yaml.safe_load(path.read_text())
    ports = {
        content["admin"]["bind"],
        content["listeners"]["fno"]["bind"],
        content["upstreams"]["warehouse"]["targets"][0].removeprefix("https://"),
    }
    assert len(ports) == 3
    assert setup.calls_bundled_endpoint(path)
    assert not setup.calls_bundled_endpoint(tmp_path / "none.yaml")


def test_a_busy_port_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = BindAddress("127.0.0.1", taken.getsockname()[1])
        with pytest.raises(setup.SetupError, match=rf"the broker cannot listen on 127\.0\.0\.1:{address.port}: "):
            setup.require_free(address, "the broker")
    setup.require_free(address, "the broker")


def test_addresses_are_shown_as_they_are_reached(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert setup.url(setup.reachable(BindAddress("::", 1)), "https") == "https://[::1]:1"
    assert setup.url(setup.reachable(BindAddress("0.0.0.0", 1))) == "http://127.0.0.1:1"
    monkeypatch.chdir(tmp_path)
    assert setup.shown(tmp_path / "certs" / "ca.crt") == "certs/ca.crt"
    assert setup.shown(Path("/a b/ca.crt")) == "'/a b/ca.crt'"


def test_calls_speak_tls_1_2_only(tmp_path: Path) -> None:
    authority = Authority.create(key="rsa2048")
    context = calls.tls_1_2(authority.write_ca(tmp_path))
    with LegacyEndpoint(authority.issue(key="rsa2048")) as old:
        error = calls.try_handshake("127.0.0.1", old.port, context)
        assert "unsupported protocol" in str(error)
    with LegacyEndpoint(authority.issue(key="rsa2048"), maximum=context.maximum_version) as newer:
        assert calls.try_handshake("127.0.0.1", newer.port, context) is None
        answer = calls.call(("127.0.0.1", newer.port), context, "GET", "/api/items", {})
        assert (answer.status, answer.headers["www-authenticate"]) == (401, 'Basic realm="warehouse"')
        while not newer.handshakes:
            time.sleep(0.01)
        assert newer.handshakes[-1][0] == "TLSv1.2"
