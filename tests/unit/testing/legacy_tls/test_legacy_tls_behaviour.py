"""What cases do after the handshake: renegotiation, sessions, records, goodbyes."""

import socket
import ssl
from dataclasses import replace
from pathlib import Path

import pytest
from legacy_client import get, hello, needed, tls10
from test_legacy_tls_cases import run

from broker.testing.legacy_tls import CASES, Served, programs

_GET = b"GET / HTTP/1.0\r\n\r\n"
_NO_EMPTY_RECORDS = 0x800


def read(tls: ssl.SSLSocket) -> bytes:
    return b"".join(iter(lambda: tls.recv(65536), b""))


def is_cut(tls: ssl.SSLSocket, *writes: bytes) -> bool:
    """Whether the connection ends without an answer."""
    try:
        for data in writes:
            tls.sendall(data)
        return tls.recv(1) == b""
    except OSError:
        return True


@pytest.mark.parametrize(
    "name", ["renegotiation-demands", "renegotiation-demands-3des", "renegotiation-unsafe", "client-certificate-first"]
)
def test_without_a_client_certificate_there_is_no_answer(name: str, tmp_path: Path) -> None:
    needed(programs.OBSOLETE)
    with run(CASES[name]).serve(tmp_path) as served:
        nobody = replace(served, tls={key: value for key, value in served.tls.items() if key != "client_certificate"})
        with pytest.raises(AssertionError):
            get(nobody)
        assert served.body in get(served)[0]


def test_a_certificate_that_is_asked_for_is_not_demanded(tmp_path: Path) -> None:
    needed(programs.OBSOLETE)
    with run(CASES["renegotiation-asks"]).serve(tmp_path) as served:
        assert served.body in get(replace(served, tls={"profile": "legacy"}))[0]


@pytest.mark.parametrize("name", ["no-rfc5746", "no-extensions", "windows-2003-unpatched", "renegotiation-unsafe"])
def test_a_careful_client_refuses_a_server_without_rfc5746(name: str, tmp_path: Path) -> None:
    needed(programs.OBSOLETE)
    with run(CASES[name]).serve(tmp_path) as served:
        careful = {key: value for key, value in served.tls.items() if key != "legacy_renegotiation"}
        with pytest.raises(AssertionError, match="unsafe legacy renegotiation disabled"):
            get(replace(served, tls=careful))


@pytest.mark.parametrize(
    ("name", "reused"), [("resumption-id", True), ("resumption-ticket", True), ("no-resumption", False)]
)
def test_sessions_are_resumed_or_not(name: str, reused: bool, tmp_path: Path) -> None:
    with run(CASES[name]).serve(tmp_path) as served:
        with tls10(served) as first:
            first.sendall(_GET)
            read(first)
            session = first.session
        assert session is not None
        again = socket.create_connection((served.host, served.port), 5)
        with first.context.wrap_socket(again, server_hostname="localhost", session=session) as second:
            assert second.session_reused is reused


def test_there_is_no_close_notify(tmp_path: Path) -> None:
    with run(CASES["no-close-notify"]).serve(tmp_path) as served, tls10(served) as tls:
        tls.sendall(_GET)
        with pytest.raises(ssl.SSLEOFError):
            read(tls)


def test_a_request_head_has_to_come_whole(tmp_path: Path) -> None:
    with run(CASES["split-intolerant"]).serve(tmp_path) as served:
        with tls10(served) as tls:
            tls.sendall(_GET)
            assert served.body in read(tls)
        with tls10(served) as tls:
            assert is_cut(tls, _GET[:1], _GET[1:])


def test_an_empty_record_ends_the_connection(tmp_path: Path) -> None:
    with run(CASES["empty-record-intolerant"]).serve(tmp_path) as served:
        with tls10(served, options=_NO_EMPTY_RECORDS) as tls:
            tls.sendall(_GET)
            assert served.body in read(tls)
        # Python's TLS begins with an empty record, against BEAST.
        with tls10(served) as tls:
            assert is_cut(tls, _GET)


@pytest.mark.parametrize(("name", "least"), [("records-of-512", 4), ("records-of-16", 50), ("tls10-aes-cbc", 1)])
def test_a_flight_is_split_over_records(name: str, least: int, tmp_path: Path) -> None:
    with run(CASES[name]).serve(tmp_path) as served:
        assert least <= records(served) < least + 80


def records(served: Served) -> int:
    """How many records the server's first flight takes."""
    with socket.create_connection((served.host, served.port), 5) as raw, raw.makefile("rb") as stream:
        raw.sendall(hello(version=0x0301, extensions=None))
        flight, count = b"", 0
        # ServerHelloDone has no content.
        while not flight.endswith(b"\x0e\0\0\0"):
            flight += stream.read(int.from_bytes(stream.read(5)[3:]))
            count += 1
        return count


@pytest.mark.parametrize(
    ("name", "request_head", "status"),
    [
        ("http-417", "POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 3\r\n", b"417"),
        ("http-411", "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n", b"411"),
        ("http-basic", "GET / HTTP/1.1\r\nConnection: close\r\n", b"401"),
        ("http-ntlm", "GET / HTTP/1.1\r\nConnection: close\r\n", b"401"),
    ],
)
def test_http_behaviours(name: str, request_head: str, status: bytes, tmp_path: Path) -> None:
    with run(CASES[name]).serve(tmp_path) as served, tls10(served) as tls:
        tls.sendall(f"{request_head}Host: a\r\n\r\n".encode())
        assert tls.recv(65536).split(b" ")[1] == status


def test_bodies_are_read_and_the_connection_is_kept(tmp_path: Path) -> None:
    with run(CASES["http-bare-lf"]).serve(tmp_path) as served, tls10(served) as tls:
        for framed in (b"Content-Length: 3\r\n\r\nabc", b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"):
            tls.sendall(b"POST / HTTP/1.1\r\nHost: a\r\n" + framed)
            answer = tls.recv(65536)
            assert b"\r\n" not in answer
            assert answer.endswith(served.body)
