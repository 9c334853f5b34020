"""Make certificate authorities and certificates, good and bad, for tests and development."""

import datetime as dt
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import NameOID

from broker.testing import extensions, signing
from broker.testing.signing import PrivateKey

LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class Issued:
    """A certificate, its private key, and the certificates above it up to the root."""

    certificate: x509.Certificate
    key: PrivateKey = field(repr=False)
    above: tuple[x509.Certificate, ...] = ()

    @property
    def leaf_pem(self) -> str:
        """The certificate alone."""
        return signing.certificate_pem([self.certificate])

    @property
    def chain_pem(self) -> str:
        """The certificate and all above it, leaf first."""
        return signing.certificate_pem([self.certificate, *self.above])

    @property
    def key_pem(self) -> str:
        """The private key, unencrypted."""
        return signing.key_pem(self.key)

    @property
    def sha256(self) -> str:
        """The digest that pins this certificate: SHA-256 of its DER, in lower case hex."""
        return self.certificate.fingerprint(hashes.SHA256()).hex()

    def write(self, directory: Path, name: str) -> tuple[Path, Path]:
        """Write `name.crt` (the chain) and `name.key` (mode 0600)."""
        chain, key = directory / f"{name}.crt", directory / f"{name}.key"
        chain.write_text(self.chain_pem)
        write_private(key, self.key_pem)
        return chain, key


@dataclass(frozen=True)
class Authority(Issued):
    """A certificate authority, root or intermediate."""

    @classmethod
    def create(
        cls,
        name: str = "Test CA",
        *,
        key: str = "ec",
        digest: str = "sha256",
        permitted: Sequence[str] = (),
        not_before: dt.datetime | None = None,
        not_after: dt.datetime | None = None,
    ) -> Self:
        """Make a root; `permitted` names hold all that it issues to those domains and networks."""
        private = signing.make_key(key)
        found = extensions.for_authority(permitted, None)
        return cls(_certificate(name, private, None, found, digest, (not_before, not_after)), private)

    def intermediate(
        self,
        name: str = "Test Issuing CA",
        *,
        key: str = "ec",
        digest: str = "sha256",
        not_before: dt.datetime | None = None,
        not_after: dt.datetime | None = None,
    ) -> Self:
        """Make an authority below this one."""
        private = signing.make_key(key)
        found = extensions.for_authority((), 0)
        certificate = _certificate(name, private, self, found, digest, (not_before, not_after))
        return type(self)(certificate, private, (self.certificate, *self.above))

    def issue(
        self,
        names: Sequence[str] = LOCAL_NAMES,
        *,
        key: str = "ec",
        digest: str = "sha256",
        common_name: str | None = None,
        usage: Sequence[str] = ("digital_signature", "key_encipherment"),
        purposes: Sequence[str] = ("server",),
        not_before: dt.datetime | None = None,
        not_after: dt.datetime | None = None,
    ) -> Issued:
        """Issue a certificate for DNS names and IP addresses; `usage` overrides the key usage flags."""
        private = signing.make_key(key)
        found = extensions.for_leaf(names, usage, purposes)
        subject = common_name or names[0]
        certificate = _certificate(subject, private, self, found, digest, (not_before, not_after))
        return Issued(certificate, private, (self.certificate, *self.above))

    def issue_client(self, name: str, *, key: str = "ec", not_after: dt.datetime | None = None) -> Issued:
        """Issue a client certificate with this common name and no alternative names."""
        return self.issue((), common_name=name, key=key, purposes=("client",), not_after=not_after)

    @property
    def ca_pem(self) -> str:
        """The root certificate: what a peer trusts."""
        return signing.certificate_pem([self.above[-1] if self.above else self.certificate])

    def write_ca(self, directory: Path, name: str = "ca.crt") -> Path:
        """Write the root certificate, for a `ca:` or `client_ca:` setting."""
        path = directory / name
        path.write_text(self.ca_pem)
        return path


def self_signed(
    names: Sequence[str] = LOCAL_NAMES,
    *,
    key: str = "ec",
    digest: str = "sha256",
    not_before: dt.datetime | None = None,
    not_after: dt.datetime | None = None,
) -> Issued:
    """Make a server certificate that no authority stands behind."""
    private = signing.make_key(key)
    found = extensions.for_leaf(names, ("digital_signature", "key_encipherment"), ("server",))
    return Issued(_certificate(names[0], private, None, found, digest, (not_before, not_after)), private)


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, never readable by others even for a moment."""
    path.unlink(missing_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(text)


def _certificate(
    subject: str,
    key: PrivateKey,
    issuer: Issued | None,
    found: extensions.Extensions,
    digest: str,
    period: tuple[dt.datetime | None, dt.datetime | None],
) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)])
    start, end = signing.validity(*period)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer.certificate.subject if issuer else name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
    )
    issuer_key = issuer.key.public_key() if issuer else None
    for extension, critical in [*found, *extensions.identifiers(key.public_key(), issuer_key)]:
        builder = builder.add_extension(extension, critical)
    return signing.sign(builder, issuer.key if issuer else key, digest)
