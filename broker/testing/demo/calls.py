"""The demo's calls, made as Finance & Operations makes them: over TLS 1.2."""

import http.client
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from broker.testing.contexts import client_context

_TIMEOUT = 30


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def tls_1_2(ca: Path) -> ssl.SSLContext:
    """The context of a client that speaks TLS 1.2 only."""
    # With suites that TLS 1.0 has too, so that the version alone is what peers cannot agree on.
    return client_context(ca.read_text(), maximum=ssl.TLSVersion.TLSv1_2, ciphers="DEFAULT")


def try_handshake(host: str, port: int, context: ssl.SSLContext) -> ssl.SSLError | None:
    """Shake hands and hang up; the error when the peers found nothing in common."""
    with socket.create_connection((host, port), timeout=_TIMEOUT) as plain:
        try:
            context.wrap_socket(plain, server_hostname="localhost").close()
        except ssl.SSLError as error:
            return error
    return None


def call(
    address: tuple[str, int],
    context: ssl.SSLContext,
    method: str,
    path: str,
    headers: Mapping[str, str],
    body: bytes | None = None,
) -> Answer:
    """Make one call on a connection of its own."""
    return _ask(http.client.HTTPSConnection(*address, context=context, timeout=_TIMEOUT), method, path, headers, body)


def fetch(address: tuple[str, int], path: str) -> Answer:
    """Get something from the admin API."""
    return _ask(http.client.HTTPConnection(*address, timeout=_TIMEOUT), "GET", path, {}, None)


def _ask(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    headers: Mapping[str, str],
    body: bytes | None,
) -> Answer:
    try:
        connection.request(method, path, body, dict(headers))
        response = connection.getresponse()
        found = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, found, response.read())
    finally:
        connection.close()
