"""What a caller's certificate must be, and whether one is that."""

import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509 import verification
from cryptography.x509.oid import ExtendedKeyUsageOID

_UNREADABLE = (
    ValueError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)
_ANEW = 3600
"""Seconds after which a certificate is looked at again: its issuers expire as well."""
_PURPOSES = frozenset({ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE})
# Client certificates of companies know their subject only: the rules of the Web for names do not apply to them.
_LEAF = verification.ExtensionPolicy.permit_all()
_ISSUER = verification.ExtensionPolicy.permit_all().require_present(
    x509.BasicConstraints, verification.Criticality.AGNOSTIC, None
)


@dataclass(frozen=True, slots=True)
class Demands:
    """What must hold for a certificate; empty demands hold for each."""

    sha256: tuple[bytes, ...] = ()
    subject: x509.Name | None = None
    san: frozenset[str] = frozenset()
    ca: tuple[x509.Certificate, ...] = ()


class CertificateJudge:
    """Compares certificates with demands; parsed once, as a caller shows the same one again and again."""

    def __init__(self, demands: Demands) -> None:
        self._demands = demands
        self._store = verification.Store(list(demands.ca)) if demands.ca else None
        self._read = lru_cache(maxsize=256)(self._examine)

    def fault(self, der: bytes) -> str:
        """Why the certificate does not do, in words for its owner; empty when it does."""
        now = datetime.now(UTC)
        start, end, fault = self._read(der, int(now.timestamp()) // _ANEW)
        # A connection, or a resumed session, may outlive its certificate.
        if now < start:
            return "The certificate is not valid yet."
        return "The certificate has expired." if now > end else fault

    def _examine(self, der: bytes, _: int) -> tuple[datetime, datetime, str]:
        try:
            certificate = x509.load_der_x509_certificate(der)
            fault = self._mismatch(certificate)
            return certificate.not_valid_before_utc, certificate.not_valid_after_utc, fault
        except _UNREADABLE:
            always = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
            return *always, "The certificate cannot be read."

    def _mismatch(self, certificate: x509.Certificate) -> str:
        demands = self._demands
        if demands.sha256 and not _listed(certificate, demands.sha256):
            return "The certificate is not one of those that are accepted."
        if demands.subject is not None and certificate.subject != demands.subject:
            return "The certificate has another subject."
        if demands.san and not demands.san & alternative_names(certificate):
            return "The certificate has none of the alternative names that are accepted."
        if not for_clients(certificate):
            return "The certificate is not meant for clients (extended key usage)."
        return "" if self._store is None or self._issued(certificate) else "The certificate comes from another CA."

    def _issued(self, certificate: x509.Certificate) -> bool:
        assert self._store is not None  # noqa: S101 - asked only where there is one
        builder = verification.PolicyBuilder().store(self._store).time(datetime.now(UTC))
        builder = builder.extension_policies(ca_policy=_ISSUER, ee_policy=_LEAF)
        try:
            builder.build_client_verifier().verify(certificate, [])
        except verification.VerificationError:
            return False
        return True


def _listed(certificate: x509.Certificate, digests: Sequence[bytes]) -> bool:
    digest, found = certificate.fingerprint(SHA256()), 0
    for one in digests:
        found |= hmac.compare_digest(digest, one)
    return bool(found)


def alternative_names(certificate: x509.Certificate) -> frozenset[str]:
    """DNS names (in lower case), URIs, e-mail and IP addresses of a certificate."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return frozenset()
    kinds = (x509.UniformResourceIdentifier, x509.RFC822Name)
    plain = [name for kind in kinds for name in names.get_values_for_type(kind)]
    dns = [name.lower() for name in names.get_values_for_type(x509.DNSName)]
    return frozenset([*plain, *dns, *map(str, names.get_values_for_type(x509.IPAddress))])


def for_clients(certificate: x509.Certificate) -> bool:
    """Whether the certificate may prove a client: it says so, or says nothing (RFC 5280 section 4.2.1.12)."""
    try:
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return True
    return not _PURPOSES.isdisjoint(usage)


def read_authorities(path: Path) -> tuple[x509.Certificate, ...]:
    """The certificates of a CA file; raises `OSError` or `ValueError`."""
    return tuple(x509.load_pem_x509_certificates(path.read_bytes()))
