"""What scanners find on the listener: TLS 1.2 and 1.3 with the named suites, whatever the files say."""

import re
import socket
import ssl
import subprocess
import time
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
from needs import needs
from scenario_broker import Broker, Start, subprocess_port

from broker.testing.contexts import client_context
from broker.testing.pki import Authority

CA = Authority.create("Broker CA")
NOWHERE = {"nowhere": {"targets": ["http://127.0.0.1:9"]}}
WEAK = {
    "weak": {
        "targets": ["https://127.0.0.1:9"],
        "tls": {"profile": "legacy", "unsafe_skip_verify": True, "server_name": "", "review_by": "2090-01-01"},
    }
}
TLS_1_3 = {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"}
SUITES = {"{}-AES128-GCM-SHA256", "{}-AES256-GCM-SHA384", "{}-CHACHA20-POLY1305"}
WEAKENED = """
openssl_conf = init
[init]
ssl_conf = ssl
[ssl]
system_default = weak
[weak]
MinProtocol = TLSv1
CipherString = ALL:@SECLEVEL=0
Groups = P-521:X448:P-256
Options = UnsafeLegacyRenegotiation,ClientRenegotiation,Compression
"""


def scan(port: int) -> dict[str, Any]:
    command = [needs("sslscan"), "--xml=-", "--no-heartbleed", f"127.0.0.1:{port}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=50, check=True)
    test = ET.fromstring(done.stdout[done.stdout.index("<?xml") :]).find("ssltest")
    assert test is not None, done.stdout
    compression = test.find("compression")
    return {
        "protocols": {f"{p.get('type')} {p.get('version')}" for p in test.iter("protocol") if p.get("enabled") == "1"},
        "ciphers": {(each.get("sslversion"), each.get("cipher")) for each in test.iter("cipher")},
        "groups": {each.get("name") for each in test.iter("group")},
        "compression": None if compression is None else compression.get("supported"),
    }


def assert_strong(found: dict[str, Any], kind: str) -> None:
    suites = {("TLSv1.2", suite.format(kind)) for suite in SUITES} | {("TLSv1.3", suite) for suite in TLS_1_3}
    assert found["ciphers"] == suites
    assert found["protocols"] <= {"tls 1.2", "tls 1.3"}
    assert {name.lower() for name in found["groups"]} == {"x25519", "secp256r1 (nist p-256)", "secp384r1 (nist p-384)"}
    # Absent where sslscan's own OpenSSL, as Debian's, cannot compress.
    assert found["compression"] in (None, "0")


def s_client(port: int, *options: str, send: str = "", wait: float = 0.0) -> str:
    command = [needs("openssl"), "s_client", "-connect", f"127.0.0.1:{port}", *options]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.STDOUT, text=True) as client:
        try:
            if wait:
                _type(client, send, wait)
            return client.communicate(timeout=10)[0]
        finally:
            client.kill()


def _type(client: "subprocess.Popen[str]", text: str, wait: float) -> None:
    assert client.stdin is not None
    time.sleep(0.2)
    client.stdin.write(text)
    client.stdin.flush()
    time.sleep(wait)


def negotiated(output: str) -> bool:
    return re.search(r"^New, TLSv1\.[23], Cipher is [A-Z]", output, re.MULTILINE) is not None


@pytest.mark.parametrize(("key", "kind"), [("ec", "ECDHE-ECDSA"), ("rsa2048", "ECDHE-RSA")])
def test_a_scan_finds_the_named_suites_and_groups_only(start: Start, key: str, kind: str) -> None:
    broker = start(NOWHERE, certificates=[CA.issue(key=key)])
    assert_strong(scan(broker.port), kind)


def test_weak_upstreams_and_a_weak_openssl_conf_change_nothing(tmp_path: Path) -> None:
    weak = tmp_path / "openssl.cnf"
    weak.write_text(WEAKENED)
    with Broker(tmp_path, WEAK) as prepared:
        assert prepared.get("/weak/").status == 502
    with subprocess_port(tmp_path, {"OPENSSL_CONF": str(weak)}) as port:
        found = scan(port)
    assert_strong(found, "ECDHE-ECDSA")


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
@pytest.mark.parametrize(
    ("group", "taken"),
    [("X25519", True), ("P-256", True), ("P-384", True), ("P-521", False), ("X448", False), ("ffdhe2048", False)],
)
def test_a_key_exchange_group_is_taken_or_not(start: Start, version: str, group: str, taken: bool) -> None:
    if version == "-tls1_2" and group == "ffdhe2048":
        group = "secp256k1"
    # TLS 1.2 ties the certificate's curve to the groups; an RSA certificate has none.
    broker = start(NOWHERE, certificates=[CA.issue(key="rsa2048")])
    assert negotiated(s_client(broker.port, version, "-groups", group)) is taken


@pytest.mark.parametrize("version", ["-tls1", "-tls1_1"])
def test_an_old_version_is_refused(start: Start, version: str) -> None:
    broker = start(NOWHERE)
    assert not negotiated(s_client(broker.port, version, "-cipher", "ALL:@SECLEVEL=0"))


def test_renegotiation_is_refused(start: Start) -> None:
    output = s_client(start(NOWHERE).port, "-tls1_2", send="R\n", wait=0.5)
    assert "RENEGOTIATING" in output
    assert "no renegotiation" in output


def test_nothing_is_compressed_and_early_data_is_not_offered(start: Start) -> None:
    output = s_client(start(NOWHERE).port, "-tls1_3", "-comp", send="GET / HTTP/1.1\r\nHost: x\r\n\r\n", wait=0.4)
    assert "Compression: NONE" in output
    sizes = re.findall(r"Max Early Data: (\d+)", output)
    assert sizes
    assert set(sizes) == {"0"}


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_session_is_resumed(start: Start, version: ssl.TLSVersion) -> None:
    broker = start(NOWHERE)
    context = client_context(broker.ca_pem, minimum=version, maximum=version)
    session: ssl.SSLSession | None = None
    for resumed in (False, True):
        with (
            socket.create_connection(("127.0.0.1", broker.port), 10) as tcp,
            context.wrap_socket(tcp, server_hostname="localhost", session=session) as tls,
        ):
            assert tls.session_reused is resumed
            tls.sendall(b"GET /none HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert b" 404 " in tls.recv(65536)
            session = tls.session


@pytest.mark.parametrize(("offered", "chosen"), [(["h2", "http/1.1"], "http/1.1"), (["h2"], None), ([], None)])
def test_alpn_speaks_http_1_1(start: Start, offered: list[str], chosen: str | None) -> None:
    broker = start(NOWHERE)
    context = client_context(broker.ca_pem, alpn=offered)
    with (
        socket.create_connection(("127.0.0.1", broker.port), 10) as tcp,
        context.wrap_socket(tcp, server_hostname="localhost") as tls,
    ):
        assert tls.selected_alpn_protocol() == chosen


@pytest.mark.parametrize(("name", "index"), [("one.test", 0), ("a.two.test", 1), ("A.TWO.TEST", 1), (None, 0)])
def test_sni_picks_the_certificate(start: Start, name: str | None, index: int) -> None:
    certificates = [CA.issue(["one.test"]), CA.issue(["*.two.test"], key="rsa2048")]
    broker = start(NOWHERE, certificates=certificates)
    options = ("-servername", name) if name else ("-noservername",)
    output = s_client(broker.port, *options)
    assert certificates[index].leaf_pem.strip() in output


def test_an_unknown_name_is_answered_with_421(start: Start) -> None:
    request = "GET /nowhere/ HTTP/1.1\r\nHost: stranger.test\r\n\r\n"
    output = s_client(
        start(NOWHERE).port, "-quiet", "-no_ign_eof", "-servername", "stranger.test", send=request, wait=0.4
    )
    assert "HTTP/1.1 421 Misdirected Request" in output


def test_a_client_ca_demands_a_certificate_of_its_own(tmp_path: Path, start: Start) -> None:
    callers, strangers = Authority.create("Callers"), Authority.create("Strangers")
    broker = start(NOWHERE, listener_tls={"client_ca": str(callers.write_ca(tmp_path, "callers.crt"))})
    known = client_context(broker.ca_pem, identity=callers.issue_client("fno"))
    assert broker.get("/none", known).status == 404
    for identity in (None, strangers.issue_client("fno")):
        with pytest.raises((ssl.SSLError, ConnectionError)):
            broker.get("/none", client_context(broker.ca_pem, identity=identity))
