"""NSS's `selfserv`, which speaks SSLv3 and RC4 still, and asks for client certificates as IIS does."""

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, pkcs12

from broker.testing.legacy_tls import identities, preload, programs
from broker.testing.legacy_tls.case import Case, Serve, Served
from broker.testing.legacy_tls.processes import free_port, process
from broker.testing.pki import Issued

_PASSWORD = "weak"
_RC4_MD5, _RC4_SHA, _3DES_SHA, _AES_SHA = ":0004", ":0005", ":000A", ":002F"
# -r once to four times: a client certificate is asked for, or demanded, at first, or in a second handshake.
_DEMAND_AT_FIRST, _ASK_LATER, _DEMAND_LATER = ("-r",) * 2, ("-r",) * 3, ("-r",) * 4


def _database(directory: Path, identity: Issued) -> str:
    assert isinstance(identity.key, rsa.RSAPrivateKey)
    encryption = BestAvailableEncryption(_PASSWORD.encode())
    bundle = pkcs12.serialize_key_and_certificates(b"server", identity.key, identity.certificate, None, encryption)
    (directory / "server.p12").write_bytes(bundle)
    identities.authority().write_ca(directory, "clients.crt")
    (directory / "db").mkdir()
    database = f"sql:{directory / 'db'}"
    for command in (
        ["certutil", "-N", "--empty-password"],
        ["pk12util", "-i", "server.p12", "-W", _PASSWORD],
        ["certutil", "-A", "-n", "ca", "-t", "TC,,", "-i", "clients.crt"],
    ):
        command[0] = programs.require(command[0])
        subprocess.run([*command, "-d", database], cwd=directory, check=True, capture_output=True)
    return database


def selfserv(versions: str, ciphers: str, *options: str, tls: Mapping[str, Any] | None = None) -> Serve:
    """A server of these versions and ciphers; it shows requests back."""

    @contextmanager
    def serve(directory: Path) -> Iterator[Served]:
        identity = identities.issued()()
        port = free_port()
        command = [programs.require("selfserv"), "-n", "server", "-p", str(port), "-V", versions, "-c", ciphers]
        command += ["-d", _database(directory, identity), *options]
        shows = identities.client_settings(directory) if "-r" in options else {}
        with process(command, port, directory / "selfserv.log", preload.environment(directory)):
            ca = identities.root(directory, identity)
            yield Served(
                "127.0.0.1", port, b"EOF", ca, identity.sha256, {"profile": "obsolete", **(tls or {}), **shows}
            )

    return serve


def _case(name: str, title: str, versions: str, ciphers: str, *options: str, **tls: Any) -> Case:
    needs = ("selfserv", "certutil", "pk12util", preload.NEEDS)
    return Case(name, title, selfserv(versions, ciphers, *options, tls=tls), needs)


_AES = {"profile": "legacy"}
CASES = (
    _case("nss-ssl3", "NSS: SSLv3 only, RC4 and 3DES", "ssl3:ssl3", _RC4_MD5 + _RC4_SHA + _3DES_SHA),
    _case("nss-tls10-rc4", "NSS: TLS 1.0 only, RC4 only", "tls1.0:tls1.0", _RC4_MD5 + _RC4_SHA),
    _case(
        "client-certificate-first",
        "client certificate demanded in the first handshake",
        "tls1.0:tls1.0",
        _AES_SHA,
        *_DEMAND_AT_FIRST,
        **_AES,
    ),
    _case(
        "renegotiation-asks",
        "asks for a client certificate by renegotiation after the request, as IIS does; goes on without one",
        "tls1.0:tls1.0",
        _AES_SHA,
        *_ASK_LATER,
        **_AES,
    ),
    _case(
        "renegotiation-demands",
        "demands a client certificate by renegotiation after the request, as IIS does",
        "tls1.0:tls1.0",
        _AES_SHA,
        *_DEMAND_LATER,
        **_AES,
    ),
    _case(
        "renegotiation-demands-3des",
        "Windows Server 2003 with a client certificate: TLS 1.0, RC4 and 3DES, demanded after the request",
        "ssl3:tls1.0",
        _RC4_MD5 + _RC4_SHA + _3DES_SHA,
        *_DEMAND_LATER,
    ),
)
