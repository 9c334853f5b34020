"""Servers that a modern client cannot reach are reached through the broker; without the setting, it is named."""

import socket
import ssl
import struct
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from scenario_broker import Start
from scenario_servers import accepting, free_port, http_1_0, nginx, s_server

from broker.testing.contexts import server_context
from broker.testing.pki import Authority

WEAK = "ALL:@SECLEVEL=0"
CA = Authority.create(key="rsa2048")
RSA = CA.issue(key="rsa2048")
OAKLEY_1024 = """\
-----BEGIN DH PARAMETERS-----
MIGHAoGBAP//////////yQ/aoiFowjTExmKLgNwc0SkCTgiKZ8x0Agu+pjsTmyJR
Sgh5jjQE3e+VGbPNOkMbMCsKbfJfFDdP4TVtbVHCReSFtXZiXn7G9ExC6aY37WsL
/1y29Aa37e44a/taiZ+lrp8kEXxLH+ZJKGZR7OZTgf//////////AgEC
-----END DH PARAMETERS-----
"""
"""The group of RFC 2409 section 6.2, which old servers have built in."""


def both(tmp_path: Path, port: int, ca: Authority = CA, host: str = "127.0.0.1") -> dict[str, dict[str, Any]]:
    target, trusted = f"https://{host}:{port}", str(ca.write_ca(tmp_path))
    return {
        "legacy": {"targets": [target], "tls": {"profile": "legacy", "ca": trusted, "review_by": "2090-01-01"}},
        "modern": {"targets": [target], "tls": {"ca": trusted}},
    }


def reached_with_legacy_only(start: Start, upstreams: dict[str, dict[str, Any]], expected: str) -> str:
    broker = start(upstreams)
    reached = broker.get("/legacy/")
    assert (reached.status, reached.code) == (200, None), reached.text
    assert expected in reached.text
    refused = broker.get("/modern/")
    assert (refused.status, refused.code) == (502, "upstream_tls_failed"), refused.text
    assert "`tls.profile: legacy`" in refused.text
    return broker.metrics()


def test_nginx_with_tls_1_0_only_is_reached(tmp_path: Path, start: Start) -> None:
    with nginx(tmp_path, RSA, "TLSv1", WEAK) as port:
        metrics = reached_with_legacy_only(start, both(tmp_path, port), "nginx speaks TLSv1\n")
    counted = 'broker_upstream_tls_handshakes_total{cipher="ECDHE-RSA-AES256-SHA",protocol="TLSv1",upstream="legacy"}'
    assert f"{counted} 1.0" in metrics


def test_s_server_with_tls_1_1_only_is_reached(tmp_path: Path, start: Start) -> None:
    with s_server(tmp_path, RSA, "-tls1_1", "-cipher", WEAK) as port:
        metrics = reached_with_legacy_only(start, both(tmp_path, port), "TLSv1.1")
    assert 'protocol="TLSv1.1",upstream="legacy"} 1.0' in metrics


@pytest.mark.parametrize("digest", ["sha1", "md5"])
def test_a_chain_with_weak_digests_is_accepted(tmp_path: Path, start: Start, digest: str) -> None:
    issuing = CA.intermediate(key="rsa2048", digest=digest)
    identity = issuing.issue(key="rsa2048", digest=digest)
    with s_server(tmp_path, identity, "-cipher", WEAK) as port:
        reached_with_legacy_only(start, both(tmp_path, port), "s_server")


def test_a_key_of_1024_bits_is_accepted(tmp_path: Path, start: Start) -> None:
    with s_server(tmp_path, CA.issue(key="rsa1024"), "-cipher", WEAK) as port:
        reached_with_legacy_only(start, both(tmp_path, port), "s_server")


def test_an_authority_with_1024_bits_is_accepted(tmp_path: Path, start: Start) -> None:
    weak = Authority.create(key="rsa1024", digest="sha1")
    with s_server(tmp_path, weak.issue(key="rsa1024", digest="sha1"), "-cipher", WEAK) as port:
        reached_with_legacy_only(start, both(tmp_path, port, weak), "s_server")


def test_dhe_of_1024_bits_is_accepted(tmp_path: Path, start: Start) -> None:
    parameters = tmp_path / "dh.pem"
    parameters.write_text(OAKLEY_1024)
    options = ("-tls1_2", "-dhparam", str(parameters), "-cipher", "DHE-RSA-AES128-GCM-SHA256:@SECLEVEL=0")
    with s_server(tmp_path, RSA, *options) as port:
        reached_with_legacy_only(start, both(tmp_path, port), "DHE-RSA-AES128-GCM-SHA256")


def test_a_server_without_secure_renegotiation_is_spoken_to_with_legacy_only(tmp_path: Path, start: Start) -> None:
    hello = struct.pack(">H", 0x0303) + bytes(32) + b"\0" + struct.pack(">HB", 0xC02F, 0)
    message = b"\x02" + len(hello).to_bytes(3, "big") + hello
    replies: list[bytes] = []

    def serve(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"\x16\x03\x03" + struct.pack(">H", len(message)) + message)
        connection.settimeout(0.5)
        try:
            replies.append(connection.recv(65536))
        except TimeoutError:
            replies.append(b"waits for the certificate")

    with accepting(serve) as port:
        broker = start(both(tmp_path, port))
        modern, legacy = broker.get("/modern/"), broker.get("/legacy/")
    assert modern.code == legacy.code == "upstream_tls_failed"
    assert "RFC 5746" in modern.text
    assert "`tls.profile: legacy`" in modern.text
    assert "RFC 5746" not in legacy.text
    assert replies[1] == b"waits for the certificate"


@pytest.mark.parametrize("says_goodbye", [True, False])
def test_an_http_1_0_answer_that_ends_with_the_connection_is_whole(
    tmp_path: Path, start: Start, says_goodbye: bool
) -> None:
    context = server_context(RSA, minimum=ssl.TLSVersion.TLSv1, maximum=ssl.TLSVersion.TLSv1)
    body = b"x" * 200_000 + b"the end"
    with http_1_0(context, body, says_goodbye=says_goodbye) as port:
        answer = start(both(tmp_path, port)).get("/legacy/")
    assert answer.status == 200
    assert answer.text.encode() == body


def test_a_plain_server_behind_https_is_told_apart(tmp_path: Path, start: Start) -> None:
    with accepting(lambda connection: connection.sendall(b"HTTP/1.0 400 Bad Request\r\n\r\n")) as port:
        answer = start(both(tmp_path, port)).get("/modern/")
    assert answer.code == "upstream_tls_failed"
    assert "`http://`" in answer.text


def test_a_dead_target_is_passed_over(tmp_path: Path, start: Start) -> None:
    with s_server(tmp_path, RSA, "-tls1_1", "-cipher", WEAK) as port:
        upstreams = both(tmp_path, port)
        upstreams["legacy"]["targets"].insert(0, f"https://127.0.0.1:{free_port()}")
        broker = start(upstreams)
        assert [broker.get("/legacy/").status for _ in range(4)] == [200] * 4
        metrics = broker.metrics()
    assert 'protocol="TLSv1.1",upstream="legacy"} 4.0' in metrics
    assert 'broker_upstream_retries_total{reason="connect_failed",upstream="legacy"} 2.0' in metrics


def test_an_expired_certificate_is_not_waived_by_the_legacy_profile(tmp_path: Path, start: Start) -> None:
    expired = CA.issue(key="rsa2048", not_after=datetime(2020, 1, 1, tzinfo=UTC))
    with s_server(tmp_path, expired) as port:
        answer = start(both(tmp_path, port)).get("/legacy/")
    assert answer.code == "upstream_tls_failed"
    assert "expired" in answer.text
    assert "`tls.pin_sha256`" in answer.text
