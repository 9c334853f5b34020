"""The certificate that a server shows, and what is wrong with its chain."""

import ipaddress
from datetime import UTC, datetime
from itertools import pairwise
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa

from broker.probe.findings import CertificateFacts
from broker.tls.errors import TlsFailure
from broker.tls.names import check_name

_LEAST: Final = 2048
_LEAST_EC: Final = 224


def describe(chain: tuple[bytes, ...], host: str, *, whole: bool = True) -> CertificateFacts | None:
    """The facts about a chain in DER, leaf first; None where the leaf is not one. `whole`: all that was sent."""
    try:
        # Some servers send their own certificate twice, which nobody minds.
        certificates = [x509.load_der_x509_certificate(der) for der in dict.fromkeys(chain)]
        leaf = certificates[0]
        key, bits = key_of(leaf)
        facts = CertificateFacts(
            subject=_text(leaf.subject),
            issuer=_text(leaf.issuer),
            names=_names(leaf),
            key=key,
            key_bits=bits,
            signature=_signature(leaf),
            not_before=leaf.not_valid_before_utc.date().isoformat(),
            not_after=leaf.not_valid_after_utc.date().isoformat(),
            sha256=leaf.fingerprint(hashes.SHA256()).hex(),
            sent=len(certificates) if whole else 0,
        )
    except (ValueError, IndexError, UnsupportedAlgorithm):
        return None
    facts.faults = list(
        dict.fromkeys([*_faults(certificates, chain[0], host), *(_gaps(certificates) if whole else [])])
    )
    return facts


def key_of(certificate: x509.Certificate) -> tuple[str, int]:
    """Kind and size of the key."""
    key = certificate.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        return "RSA", key.key_size
    if isinstance(key, ec.EllipticCurvePublicKey):
        return "EC", key.key_size
    if isinstance(key, dsa.DSAPublicKey):
        return "DSA", key.key_size
    return type(key).__name__.removesuffix("PublicKey"), 0


def _text(name: x509.Name) -> str:
    text = name.rfc4514_string() or "(no name)"
    return "".join(char if char.isprintable() else "?" for char in text)


def _names(leaf: x509.Certificate) -> list[str]:
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return []
    addresses = [str(address) for address in names.get_values_for_type(x509.IPAddress)]
    return [*names.get_values_for_type(x509.DNSName), *addresses]


def _signature(certificate: x509.Certificate) -> str:
    try:
        digest = certificate.signature_hash_algorithm
    except UnsupportedAlgorithm:
        return certificate.signature_algorithm_oid.dotted_string
    return digest.name.upper() if digest is not None else "EdDSA"


def _faults(certificates: list[x509.Certificate], der: bytes, host: str) -> list[str]:
    leaf, now, found = certificates[0], datetime.now(UTC), []
    if now > leaf.not_valid_after_utc:
        found.append("expired")
    if now < leaf.not_valid_before_utc:
        found.append("not yet valid")
    if leaf.issuer == leaf.subject:
        found.append("self-signed")
    if not _is_for(der, host, common_name=False):
        found.append("name only in the subject" if _is_for(der, host, common_name=True) else "wrong name")
    for certificate in certificates:
        if certificate is not leaf and now > certificate.not_valid_after_utc:
            found.append("expired issuer in the chain")
        if certificate.issuer != certificate.subject and _signature(certificate) in ("SHA1", "MD5", "MD2"):
            found.append(f"signed with {_signature(certificate)}")
        kind, bits = key_of(certificate)
        if bits < (_LEAST_EC if kind == "EC" else _LEAST):
            found.append(f"{kind} key of {bits} bits")
    return found


def _is_for(der: bytes, host: str, *, common_name: bool) -> bool:
    try:
        check_name(der, host, common_name=common_name)
    except TlsFailure:
        return False
    return True


def _gaps(certificates: list[x509.Certificate]) -> list[str]:
    """Whether each certificate is followed by its issuer, and the last has one that can be known."""
    by_subject = {certificate.subject for certificate in certificates}
    found = []
    if any(lower.issuer != upper.subject for lower, upper in pairwise(certificates)):
        found.append("chain out of order")
    leaf = certificates[0]
    if len(certificates) == 1 and leaf.issuer != leaf.subject:
        found.append("no issuer sent with it")
    elif any(one.issuer not in by_subject for one in certificates[1:-1]):
        found.append("missing intermediate")
    return found


def other_name(facts: CertificateFacts, host: str) -> str | None:
    """A name of the certificate that could be asked for in place of the host."""
    for name in facts.names:
        if "*" not in name and name != host and not _is_address(name):
            return name
    return None


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
