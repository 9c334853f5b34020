"""Which certificate a caller gets: by SNI (RFC 6066 section 3), the first one for callers that send none."""

import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path

from cryptography import x509

from broker.listener.contexts import server_context
from broker.tls.openssl import OpenSslEngine


@dataclass(frozen=True, slots=True)
class ServedCertificate:
    """A certificate that a listener presents."""

    context: ssl.SSLContext
    names: tuple[str, ...]
    subject: str
    not_after: datetime
    client_ca: bytes = b""
    """Digest of the CAs that callers' certificates must come from; empty where none are asked for."""


def load_certificate(chain: Path, key: Path, client_ca: Path | None, asks_for: str = "required") -> ServedCertificate:
    """Read a chain and its key. Raises `OSError`, `ssl.SSLError` or `ValueError`."""
    leaf = x509.load_pem_x509_certificates(chain.read_bytes())[0]
    return ServedCertificate(
        context=server_context(chain, key, client_ca, asks_for),
        names=tuple(_names(leaf)),
        subject=leaf.subject.rfc4514_string(),
        not_after=leaf.not_valid_after_utc,
        client_ca=sha256(client_ca.read_bytes()).digest() if client_ca is not None and asks_for != "off" else b"",
    )


def _names(leaf: x509.Certificate) -> Iterable[str]:
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [name.lower().rstrip(".") for name in names.get_values_for_type(x509.DNSName)]


class CertificateStore:
    """Chooses the context for each handshake, and notes names that nobody here answers to."""

    def __init__(self, certificates: list[ServedCertificate], hosts: Iterable[str]) -> None:
        """`hosts`: further names that callers may ask for, exact or `*.…`, from the routes."""
        self.certificates = certificates
        self.client_ca = certificates[0].client_ca
        self._exact: dict[str, ssl.SSLContext] = {}
        self._default = certificates[0].context
        self.hosts = frozenset(hosts)
        for certificate in certificates:
            for name in certificate.names:
                self._exact.setdefault(name, certificate.context)
        for certificate in certificates:
            certificate.context.sni_callback = self._choose

    def engine(self) -> "ServerEngine":
        """The TLS engine for a new connection."""
        return ServerEngine(self._default)

    def _choose(self, connection: ssl.SSLObject | ssl.SSLSocket, name: str | None, _: ssl.SSLContext) -> None:
        if not name or _is_address(name):
            return
        context = self.find(name)
        if context is not None:
            connection.context = context
        elif not self._is_host(name):
            connection.sni_unknown = True  # type: ignore[union-attr]

    def find(self, name: str) -> ssl.SSLContext | None:
        """The context whose certificate covers a name, exactly or by a wildcard of one label (RFC 6125)."""
        host = name.lower().rstrip(".")
        context = self._exact.get(host)
        return context if context is not None else self._exact.get(_wildcard(host))

    def _is_host(self, name: str) -> bool:
        host = name.lower().rstrip(".")
        labels = host.split(".")
        return host in self.hosts or any("*." + ".".join(labels[i:]) in self.hosts for i in range(1, len(labels)))


def _is_address(name: str) -> bool:
    """Whether somebody sent an address as SNI, which RFC 6066 forbids and some clients do: no name was asked for."""
    return ":" in name or name.replace(".", "").isdigit()


def _wildcard(host: str) -> str:
    return "*." + host.partition(".")[2]


class ServerEngine(OpenSslEngine):
    """The server's side of a handshake; remembers whether the caller asked for an unknown name."""

    __slots__ = ()

    def __init__(self, context: ssl.SSLContext) -> None:
        super().__init__(context, server_side=True)

    @property
    def sni_unknown(self) -> bool:
        """Whether the caller named a host that is not served here."""
        return getattr(self.object, "sni_unknown", False)
