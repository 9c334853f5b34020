"""Clients as old as the servers, to see that those are what they say."""

import re
import socket
import ssl
import subprocess
from hashlib import sha256

import pytest

from broker.testing.legacy_tls import Served, programs

_FEW = "RC4-MD5:RC4-SHA:DES-CBC3-SHA:AES128-SHA:AES128-GCM-SHA256"
_GNUTLS = "NONE:+VERS-TLS1.0:+AES-128-CBC:+SHA1:+SIGN-ALL:+COMP-NULL:+CTYPE-X509:%VERIFY_ALLOW_BROKEN"
_SMALL_GROUPS = f"{_GNUTLS}:+DHE-RSA:%UNSAFE_RENEGOTIATION"
_BARE = f"{_GNUTLS}:+RSA:%NO_EXTENSIONS"


def get(served: Served, path: str | None = None) -> tuple[bytes, str | None]:
    """All that the answer to a GET holds, and the digest of the server's certificate where the client shows it."""
    request = f"GET {path or served.path} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode()
    if served.tls.get("hello") == "bare":
        return gnutls_cli(served, _BARE).encode("latin-1"), served.pin
    return _s_client(served, request)


def _s_client(served: Served, request: bytes) -> tuple[bytes, str | None]:
    host = f"[{served.host}]" if ":" in served.host else served.host
    short = served.tls.get("hello") == "short"
    ciphers = served.tls.get("ciphers", _FEW if short else f"{_FEW}:ALL")
    command = [
        needed(programs.OBSOLETE),
        "s_client",
        "-provider",
        "legacy",
        "-provider",
        "default",
        "-ign_eof",
        "-bugs",
    ]
    command += ["-connect", f"{host}:{served.port}", "-cipher", f"{ciphers}:@SECLEVEL=0", "-min_protocol", "SSLv3"]
    if short or served.tls.get("server_name") == "":
        command += ["-noservername"]
    if short:
        command += ["-no_ticket", "-no_tls1_3"]
    if version := served.tls.get("max_version"):
        command += ["-max_protocol", version.removesuffix(".0")]
    if served.tls.get("legacy_renegotiation"):
        command += ["-legacy_server_connect", "-legacy_renegotiation"]
    if shown := served.tls.get("client_certificate"):
        command += ["-cert", shown["chain"], "-key", shown["key"]]
    if served.ca:
        command += ["-CAfile", str(served.ca), "-verify_return_error"]
    done = subprocess.run(command, input=request, capture_output=True, timeout=10, check=False)
    assert b"HTTP/1" in done.stdout, done.stdout + done.stderr
    found = re.search(
        r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----\n", done.stdout.decode("latin-1"), re.DOTALL
    )
    return done.stdout, sha256(ssl.PEM_cert_to_DER_cert(found[0])).hexdigest() if found else None


def gnutls_cli(served: Served, priority: str = _SMALL_GROUPS) -> str:
    """What GnuTLS's client, which takes any Diffie-Hellman group and can do without extensions, says of a GET."""
    command = [needed("gnutls-cli"), "--insecure", "-p", str(served.port), served.host, "--priority", priority]
    done = subprocess.run(command, input=b"GET / HTTP/1.0\r\n\r\n", capture_output=True, timeout=10, check=False)
    return done.stdout.decode("latin-1")


def needed(program: str) -> str:
    """The path of a program; skips where it is missing."""
    if reason := programs.why_missing(program):
        pytest.skip(reason)
    return programs.require(program)


def tls10(served: Served, *, options: int = 0, session: ssl.SSLSession | None = None) -> ssl.SSLSocket:
    """A connection of Python's TLS, trusting what the server shows."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.options |= options
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    raw = socket.create_connection((served.host, served.port), 5)
    return context.wrap_socket(raw, server_hostname="localhost", session=session, suppress_ragged_eofs=False)


def hello(
    *, version: int = 0x0303, suites: int = 1, extensions: bytes | None = b"", first: tuple[int, ...] = (0x002F,)
) -> bytes:
    """A ClientHello record, whose first suite is AES128-SHA unless told, with this block of extensions."""
    offered = [*first, *range(0x1000, 0x1000 + suites - len(first))]
    body = version.to_bytes(2) + bytes(32) + b"\0" + (2 * len(offered)).to_bytes(2)
    body += b"".join(suite.to_bytes(2) for suite in offered) + b"\x01\x00"
    if extensions is not None:
        body += len(extensions).to_bytes(2) + extensions
    message = b"\x01" + len(body).to_bytes(3) + body
    return b"\x16\x03\x01" + len(message).to_bytes(2) + message


def reaction(served: Served, sent: bytes, wait: float = 5) -> str:
    """What comes back: `close`, `reset`, `hang`, `alert N`, `handshake`, or `other`."""
    try:
        with socket.create_connection((served.host, served.port), wait) as connection:
            connection.sendall(sent)
            got = connection.recv(5)
            rest = connection.recv(2) if got[:1] == b"\x15" else b""
    except TimeoutError:
        return "hang"
    except (ConnectionResetError, BrokenPipeError):
        return "reset"
    if not got:
        return "close"
    return {0x15: f"alert {rest[-1:].hex()}", 0x16: "handshake"}.get(got[0], "other")
