"""GnuTLS's `gnutls-serv`, which can leave secure renegotiation (RFC 5746) out altogether."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from broker.testing.legacy_tls import identities, preload, programs
from broker.testing.legacy_tls.case import Case, Serve, Served
from broker.testing.legacy_tls.processes import free_port, process
from broker.testing.legacy_tls.relay import Intolerance, relaying

_BASE = "NONE:+SHA1:+MD5:+SIGN-ALL:+CTYPE-X509:+COMP-NULL"


def gnutls_serv(
    priority: str,
    *options: str,
    tls: Mapping[str, Any],
    identity: identities.Identity = identities.DEFAULT,
    intolerance: Intolerance | None = None,
) -> Serve:
    """A server with this priority string."""

    @contextmanager
    def serve(directory: Path) -> Iterator[Served]:
        issued = identity()
        chain, key = issued.write(directory, "server")
        port = free_port()
        command = [programs.require("gnutls-serv"), "--http", "--disable-client-cert", "-p", str(port)]
        command += ["--priority", f"{_BASE}:{priority}", "--x509certfile", str(chain), "--x509keyfile", str(key)]
        with ExitStack() as stack:
            environment = preload.environment(directory)
            stack.enter_context(process([*command, *options], port, directory / "gnutls.log", environment))
            if intolerance:
                port = stack.enter_context(relaying([port], intolerance))
            ca = identities.root(directory, issued)
            yield Served("127.0.0.1", port, b"HTTP header was", ca, issued.sha256, tls)

    return serve


def case(name: str, title: str, priority: str, *options: str, **more: Any) -> Case:
    """A case for GnuTLS."""
    return Case(name, title, gnutls_serv(priority, *options, **more), ("gnutls-serv", preload.NEEDS))


_OBSOLETE = {"profile": "obsolete"}
_OLD = {"profile": "legacy", "legacy_renegotiation": True}

CASES = (
    case(
        "no-rfc5746",
        "TLS 1.0 without secure renegotiation (RFC 5746)",
        "+RSA:+VERS-TLS1.0:+AES-128-CBC:%DISABLE_SAFE_RENEGOTIATION",
        tls=_OLD,
    ),
    case(
        "no-extensions",
        "TLS 1.0, understands no extension and answers with none",
        "+RSA:+VERS-TLS1.0:+AES-128-CBC:%NO_EXTENSIONS:%DISABLE_SAFE_RENEGOTIATION",
        tls=_OLD,
    ),
    case(
        "gnutls-rc4-3des",
        "GnuTLS: TLS 1.0, RC4 and 3DES only",
        "+RSA:+VERS-TLS1.0:+ARCFOUR-128:+3DES-CBC",
        tls=_OBSOLETE,
    ),
)
