"""The certificate extensions of authorities, servers and clients."""

import ipaddress
from collections.abc import Iterable, Sequence

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

_FLAGS = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)
_PURPOSES = {"server": ExtendedKeyUsageOID.SERVER_AUTH, "client": ExtendedKeyUsageOID.CLIENT_AUTH}

PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey | dsa.DSAPublicKey
Extensions = list[tuple[x509.ExtensionType, bool]]


def key_usage(flags: Sequence[str]) -> x509.KeyUsage:
    """A key usage extension from the names of its flags, such as `digital_signature`."""
    return x509.KeyUsage(*(flag in flags for flag in _FLAGS))


def alternative_name(name: str) -> x509.GeneralName:
    """A DNS name, or an IP address when it reads as one."""
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _permitted(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_network(name))
    except ValueError:
        return x509.DNSName(name)


def for_authority(permitted: Iterable[str], path_length: int | None) -> Extensions:
    """Extensions of an authority, which may be held to the permitted names."""
    found: Extensions = [
        (x509.BasicConstraints(ca=True, path_length=path_length), True),
        (key_usage(["digital_signature", "key_cert_sign", "crl_sign"]), True),
    ]
    if names := [_permitted(name) for name in permitted]:
        found.append((x509.NameConstraints(names, None), True))
    return found


def for_leaf(names: Iterable[str], usage: Sequence[str], purposes: Sequence[str]) -> Extensions:
    """Extensions of an end entity certificate."""
    found: Extensions = [
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (key_usage(usage), True),
        (x509.ExtendedKeyUsage([_PURPOSES[each] for each in purposes]), False),
    ]
    if alternatives := [alternative_name(name) for name in names]:
        found.append((x509.SubjectAlternativeName(alternatives), False))
    return found


def identifiers(subject_key: PublicKey, issuer_key: PublicKey | None) -> Extensions:
    """The key identifiers by which chains are built; a self-signed certificate needs its own alone."""
    found: Extensions = [(x509.SubjectKeyIdentifier.from_public_key(subject_key), False)]
    if issuer_key is not None:
        found.append((x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key), False))
    return found
