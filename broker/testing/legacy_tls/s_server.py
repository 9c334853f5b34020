"""`openssl s_server -www`: HTTP/1.0, each answer ends with the connection."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from broker.testing.legacy_tls import identities, programs
from broker.testing.legacy_tls.case import Case, Serve, Served
from broker.testing.legacy_tls.processes import free_port, process
from broker.testing.legacy_tls.relay import Intolerance, relaying

# It serves one connection at a time, and a client that hangs would make the next one wait.
_COPIES = 3
_WEAK = ("-provider", "legacy", "-provider", "default")


def s_server(
    *options: str,
    ciphers: str = "ALL",
    identity: identities.Identity | None = identities.DEFAULT,
    tls: Mapping[str, Any] | None = None,
    program: str = programs.OBSOLETE,
    intolerance: Intolerance | None = None,
    asks_client: bool = False,
    copies: int = _COPIES,
    host: str = "127.0.0.1",
    path: str = "/",
    files: Mapping[str, str] | None = None,
) -> Serve:
    """A server with these options; without `identity` it has no certificate. `files` are written for it to read."""

    @contextmanager
    def serve(directory: Path) -> Iterator[Served]:
        for name, content in (files or {}).items():
            (directory / name).write_text(content)
        more = identities.client_settings(directory) if asks_client else {}
        issued = identity() if identity else None
        command = [programs.require(program), "s_server", "-www", "-quiet", "-cipher", f"{ciphers}:@SECLEVEL=0"]
        command += [*(_WEAK if program == programs.OBSOLETE else ()), *options]
        if issued:
            chain, key = issued.write(directory, "server")
            command += ["-cert", str(chain), "-cert_chain", str(chain), "-key", str(key)]
        else:
            command += ["-nocert"]
        if asks_client:
            trusted = identities.authority().write_ca(directory, "clients.crt")
            command += ["-CAfile", str(trusted), "-verify_return_error"]
        with ExitStack() as stack:
            ports = [free_port() for _ in range(copies)]
            for port in ports:
                own = [*command, "-accept", f"127.0.0.1:{port}"]
                stack.enter_context(process(own, port, directory / f"s_server-{port}.log"))
            front = stack.enter_context(relaying(ports, intolerance, host))
            ca = identities.root(directory, issued) if issued else None
            pin = issued.sha256 if issued else None
            yield Served(host, front, b"s_server", ca, pin, {**(tls or {}), **more}, path)

    return serve


def weak(name: str, title: str, *options: str, **more: Any) -> Case:
    """A case that takes the OpenSSL with SSLv3 and weak ciphers."""
    more.setdefault("tls", {"profile": "obsolete"})
    return Case(name, title, s_server(*options, **more), (programs.OBSOLETE,))


def plain(name: str, title: str, *options: str, **more: Any) -> Case:
    """A case for which the system's OpenSSL is weak enough."""
    more.setdefault("tls", {"profile": "legacy"})
    return Case(name, title, s_server(*options, program="openssl", **more), ("openssl",))
