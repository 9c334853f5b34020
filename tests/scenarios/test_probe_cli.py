"""`broker probe` as a command: exit codes, output, files, secrets; and networks that misbehave."""

import asyncio
import json
import re
import socket
import ssl
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from scenario_broker import Start
from scenario_servers import accepting, free_port

from broker.__main__ import main
from broker.testing.contexts import server_context
from broker.testing.legacy_tls import CASES
from broker.testing.pki import Authority, Issued, self_signed

QUICK = ("--timeout", "500ms", "--pace", "1ms", "--budget", "30s")
CA = Authority.create(key="rsa2048")
GOOD = CA.issue(["localhost", "127.0.0.1", "erp.test", "xn--bcher-kva.test"], key="rsa2048")
ALONE = self_signed(key="rsa2048")
DOCUMENT = Path(__file__).parents[2] / "docs" / "probe.md"
Capture = pytest.CaptureFixture[str]


def run(*arguments: str) -> int:
    return main(["probe", *QUICK, *arguments])


def server(identity: Issued = GOOD, **options: Any) -> ssl.SSLContext:
    return server_context(identity, **options)


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> None:
    """A resolver that knows two names of this machine, and no other name."""
    real = socket.getaddrinfo

    def resolve(host: Any, *args: Any, **more: Any) -> Any:
        if host in ("erp.test", "xn--bcher-kva.test"):
            return real("127.0.0.1", *args, **more)
        if isinstance(host, str) and host.endswith(".test"):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return real(host, *args, **more)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    # uvloop asks the system, and not Python.
    monkeypatch.setattr("broker.cli.probe.new_loop", asyncio.new_event_loop)


@contextmanager
def noting(requests: list[bytes], identity: Issued) -> Iterator[int]:
    """A server that keeps what it was sent."""
    context = server(identity)

    def serve(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as tls:
            data = b""
            while b"\r\n\r\n" not in data:
                piece = tls.recv(65536)
                if not piece:
                    return
                data += piece
            requests.append(data)
            tls.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
            tls.unwrap()

    with accepting(serve) as port:
        yield port


@contextmanager
def limited(most: int, seconds: float) -> Iterator[int]:
    """A TLS 1.2 server that resets whoever makes more than `most` connections in so many seconds."""
    context = server(maximum=ssl.TLSVersion.TLSv1_2)
    seen: list[float] = []

    def serve(connection: socket.socket) -> None:
        now = time.monotonic()
        seen[:] = [each for each in seen if now - each < seconds]
        seen.append(now)
        if len(seen) > most:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return
        with context.wrap_socket(connection, server_side=True) as tls:
            tls.recv(65536)
            tls.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
            tls.unwrap()

    with accepting(serve) as port:
        yield port


def test_a_modern_endpoint_needs_no_settings(tmp_path: Path, capsys: Capture, start: Start) -> None:
    ca = CA.write_ca(tmp_path)
    with noting([], GOOD) as port:
        assert run(f"https://localhost:{port}/a", "--ca", str(ca)) == 0
        out, err = capsys.readouterr()
        assert "Reached " in out
        assert err == ""
        upstream = yaml.safe_load(out[out.index("upstreams:") :])["upstreams"]["localhost"]
        assert upstream["tls"] == {"ca": str(ca)}
        assert start({"it": upstream}).get("/it/").status == 200


def test_one_json_document_is_printed(tmp_path: Path, capsys: Capture) -> None:
    with noting([], ALONE) as port:
        assert run(f"https://127.0.0.1:{port}", "--json", "--name", "till", "-v") == 0
    out, err = capsys.readouterr()
    found = json.loads(out)
    assert found["reached"] is True
    assert found["name"] == "till"
    assert "self-signed" in found["findings"]["certificate"]["faults"]
    assert yaml.safe_load(found["yaml"])["upstreams"]["till"]["tls"] == {"pin_sha256": [ALONE.sha256]}
    assert err.startswith("broker probe: ")


def test_nobody_there_is_exit_code_1(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.test:3128")
    assert run(f"https://127.0.0.1:{free_port()}") == 1
    out = capsys.readouterr().out
    assert "the connection was refused" in out
    assert "HTTPS_PROXY is set" in out
    assert "proxy.test" not in out
    assert "upstreams:" not in out


@pytest.mark.usefixtures("names")
def test_a_name_that_dns_does_not_know(capsys: Capture) -> None:
    assert run("https://nowhere.test") == 1
    assert "DNS does not know nowhere.test" in capsys.readouterr().out


@pytest.mark.usefixtures("names")
def test_an_international_name_is_looked_up_and_sent_in_ascii(tmp_path: Path, capsys: Capture) -> None:
    ca = CA.write_ca(tmp_path)
    with noting([], GOOD) as port:
        assert run(f"https://bücher.test:{port}/", "--ca", str(ca), "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["url"] == f"https://xn--bcher-kva.test:{port}/"
    assert found["name"] == "xn-bcher-kva-test"
    assert found["findings"]["sni"] == "makes no difference"


@pytest.mark.usefixtures("names")
def test_a_certificate_for_another_name_is_known_by_that_name(tmp_path: Path, capsys: Capture) -> None:
    other = CA.issue(["shop.example"], key="rsa2048")
    with noting([], other) as port:
        assert run(f"https://erp.test:{port}/", "--ca", str(CA.write_ca(tmp_path)), "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert yaml.safe_load(found["yaml"])["upstreams"]["erp-test"]["tls"]["server_name"] == "shop.example"


def test_an_http_url_is_called_without_tls(capsys: Capture) -> None:
    def serve(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    with accepting(serve) as port:
        assert run(f"http://127.0.0.1:{port}/") == 0
    out = capsys.readouterr().out
    assert f'targets: ["http://127.0.0.1:{port}"]' in out
    assert "anybody can read along" in out


@pytest.mark.parametrize(
    "arguments",
    [
        ["ftp://a.test"],
        ["https://u:hunter2@a.test"],
        ["https://a.test", "-H", "hunter2"],
        ["https://a.test", "-H", "Host: hunter2"],
        ["https://a.test", "--budget", "soon"],
        ["https://a.test", "--connections", "151"],
        ["https://a.test", "--pin", "hunter2"],
        ["https://a.test", "--ca", "none.crt"],
        ["https://a.test", "--cert", __file__],
        ["https://a.test", "--name", "a b"],
        ["https://a.test", "--write", "none.yaml"],
    ],
)
def test_bad_usage_is_exit_code_2_and_one_line(arguments: list[str], capsys: Capture) -> None:
    assert run(*arguments) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert "hunter2" not in err


def test_header_lines_go_only_to_an_endpoint_that_is_known(tmp_path: Path, capsys: Capture) -> None:
    requests: list[bytes] = []
    secret = ("-H", "Authorization: Basic aHVudGVyMg==")
    with noting(requests, ALONE) as port:
        assert run(f"https://127.0.0.1:{port}/x", *secret) == 0
        out = capsys.readouterr().out
        assert requests
        assert not any(b"Authorization" in each for each in requests)
        assert "Authorization: *** was not sent" in out
        assert run(f"https://127.0.0.1:{port}/x", *secret, "--pin", ALONE.sha256) == 0
        out += capsys.readouterr().out
    assert any(b"Authorization: Basic aHVudGVyMg==\r\n" in each for each in requests)
    assert "Authorization: *** was sent" in out
    assert "aHVudGVyMg" not in out
    assert {each.split()[0] for each in requests} <= {b"GET", b"HEAD", b"OPTIONS"}


def test_the_upstream_is_written_into_the_file(tmp_path: Path, capsys: Capture) -> None:
    chain, key = GOOD.write(tmp_path, "listener")
    routes = tmp_path / "routes.yaml"
    before = (
        "version: 1\n# who listens\nlisteners:\n"
        f"  in: {{bind: 127.0.0.1:8443, tls: {{certificates: [{{chain: {chain.name}, key: {key.name}}}]}}}}\n"
        "upstreams:\n  till: {targets: [http://a.test]}  # the first\n\n# the ways\n"
        "routes: [{name: a, callers: public, upstream: till}]\n"
    )
    routes.write_text(before)
    with noting([], ALONE) as port:
        assert run(f"https://127.0.0.1:{port}", "--write", str(routes)) == 0
        assert run(f"https://127.0.0.1:{port}", "--write", str(routes)) == 0
        assert run(f"https://127.0.0.1:{port}", "--write", str(routes), "--name", "till") == 2
    after = routes.read_text()
    assert after.startswith(before.partition("\n\n")[0])
    assert after.endswith(before.partition("\n\n")[2])
    assert list(yaml.safe_load(after)["upstreams"]) == ["till", "127-0-0-1", "127-0-0-1-2"]
    assert "give it a route" in capsys.readouterr().err


def test_a_file_that_cannot_be_changed_is_left_alone(tmp_path: Path, capsys: Capture) -> None:
    routes = tmp_path / "routes.yaml"
    routes.write_text("version: 1\nupstreams: {a: {targets: [http://a.test]}}\n")
    with noting([], ALONE) as port:
        assert run(f"https://127.0.0.1:{port}", "--write", str(routes)) == 1
    out, err = capsys.readouterr()
    assert "upstreams:" in out
    assert "was not changed" in err
    assert routes.read_text() == "version: 1\nupstreams: {a: {targets: [http://a.test]}}\n"


def test_a_rate_limit_is_noticed_and_is_no_intolerance(capsys: Capture) -> None:
    with limited(8, 0.3) as port:
        assert run(f"https://127.0.0.1:{port}", "--json", "--timeout", "300ms", "--pin", GOOD.sha256) == 0
    found = json.loads(capsys.readouterr().out)
    assert any(
        re.search(r"stops answering after \d+ connections .*slower", each) for each in found["findings"]["notes"]
    )
    assert found["findings"]["dislikes"] == []
    assert yaml.safe_load(found["yaml"])["upstreams"]["127-0-0-1"]["tls"] == {"pin_sha256": [GOOD.sha256]}


def test_a_server_that_bans_the_probe_gets_a_verdict_all_the_same(capsys: Capture) -> None:
    with limited(6, 3600) as port:
        assert run(f"https://127.0.0.1:{port}", "--timeout", "200ms") == 1
    out = capsys.readouterr().out
    assert "stops answering after" in out
    assert "It speaks TLSv1.2" in out


def test_the_verdict_comes_when_the_budget_is_spent(capsys: Capture) -> None:
    def drip(connection: socket.socket) -> None:
        while True:
            connection.sendall(b"\x16")
            time.sleep(0.05)

    with accepting(drip) as port:
        assert run(f"https://127.0.0.1:{port}", "--budget", "1s", "--timeout", "5s") == 1
    assert "budget was spent" in capsys.readouterr().out


def test_no_more_connections_are_made_than_were_allowed(tmp_path: Path, capsys: Capture) -> None:
    with noting([], ALONE) as port:
        run(f"https://127.0.0.1:{port}", "--json", "--connections", "9")
    found = json.loads(capsys.readouterr().out)
    assert found["connections"] <= 9


def shape(text: str) -> list[str]:
    """The report without what differs from run to run."""
    text = re.sub(r"[0-9a-f]{64}", "<sha256>", text)
    text = re.sub(r"\d{4}-\d\d-\d\d", "<day>", text)
    text = re.sub(r"https://[^/\s\"]+", "https://<target>", text)
    text = re.sub(r"\d+ connections, [\d.]+ seconds", "<cost>", text)
    # Three servers stand behind one address, and know nothing of each other's sessions.
    text = re.sub(r"sessions +(not )?resumed", "<resumption>", text)
    text = re.sub(r"[\d.]+, connected in \d+ ms", "<address>", text)
    return [" ".join(line.split()) for line in text.strip().splitlines()]


def test_the_documented_example_is_what_is_printed(tmp_path: Path, capsys: Capture) -> None:
    example = re.search(r"```text\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    assert example is not None
    with CASES["tls10-aes-cbc"].serve(tmp_path) as served:
        assert run(f"https://127.0.0.1:{served.port}/", "--name", "warehouse") == 0
    assert shape(capsys.readouterr().out) == shape(example[1])
