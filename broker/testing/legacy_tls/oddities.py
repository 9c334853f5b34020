"""What may be found on a port instead of HTTPS."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from socket import socket

from broker.testing.legacy_tls import http, loopback
from broker.testing.legacy_tls.case import Case, Serve, Served


def _serve(handle: loopback.Handle, body: bytes = b"", status: int = 0) -> Serve:
    @contextmanager
    def serve(directory: Path) -> Iterator[Served]:
        with loopback.serving(handle) as port:
            yield Served("127.0.0.1", port, body, status=status)

    return serve


def _plain_http(connection: socket) -> None:
    """Answers TLS with an HTTP error in the clear, as web servers do."""
    first = connection.recv(1, 2)
    if first == b"\x16":
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        return
    http.converse(http.Plain(connection), http.reply)


def _ssh(connection: socket) -> None:
    connection.sendall(b"SSH-2.0-OpenSSH_3.9p1\r\n")
    loopback.hang(connection)


def _alerts(connection: socket) -> None:
    connection.recv(65536)
    loopback.alert(40, b"\x03\x00")(connection)


def _case(name: str, title: str, handle: loopback.Handle, body: bytes = b"", status: int = 0) -> Case:
    return Case(name, title, _serve(handle, body, status), group="oddity")


CASES = (
    _case("plain-http", "HTTP without TLS", _plain_http, http.BODY, 200),
    _case("ssh", "greets as SSH does", _ssh),
    _case("tarpit", "accepts and never answers", loopback.hang),
    _case("closes-at-once", "accepts and hangs up", loopback.close),
    _case("resets-at-once", "accepts and resets the connection", loopback.reset),
    _case("refuses-every-hello", "a handshake failure for every hello", _alerts),
)
