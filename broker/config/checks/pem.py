"""PEM files as the checks read them."""

from functools import cache
from pathlib import Path
from ssl import PROTOCOL_TLS_CLIENT, SSLContext
from typing import Final
from warnings import catch_warnings

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import load_pem_private_key

_MAX_BYTES: Final = 4 << 20


class PemError(Exception):
    """Why a file cannot be used; the text holds nothing of what is in it."""


def read_bytes(path: Path) -> bytes:
    """The bytes of a regular file up to 4 MiB; raises `PemError`."""
    try:
        if path.exists() and not path.is_file():
            raise PemError("is not a regular file")
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise PemError(f"cannot be read: {error.strerror}") from None
    if len(data) > _MAX_BYTES:
        raise PemError("is too large for certificates")
    return data


def read_certificates(path: Path) -> list[x509.Certificate]:
    """The certificates in a PEM file, at least one; raises `PemError`."""
    data = read_bytes(path)
    try:
        certificates = x509.load_pem_x509_certificates(data)
        for certificate in certificates:
            # Names are decoded late; here is the place where a malformed one is expected.
            _ = certificate.subject, certificate.issuer, certificate.extensions
    except (ValueError, x509.InvalidVersion, x509.UnsupportedGeneralNameType, x509.DuplicateExtension):
        raise PemError("holds no valid PEM certificate") from None
    return certificates


def read_key(path: Path) -> PrivateKeyTypes:
    """The private key in a PEM file; raises `PemError`."""
    data = read_bytes(path)
    try:
        return load_pem_private_key(data, password=None)
    except TypeError:
        raise PemError("is encrypted; a service has nobody to ask for the password") from None
    except (ValueError, UnsupportedAlgorithm):
        raise PemError("holds no valid PEM private key") from None


def is_issued_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Whether name and signature say that `issuer` issued `certificate`."""
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


@cache
def system_roots() -> tuple[x509.Certificate, ...]:
    """The CA certificates that the system trusts; empty where it keeps none in one file."""
    context = SSLContext(PROTOCOL_TLS_CLIENT)
    context.load_default_certs()
    return tuple(filter(None, map(_root, context.get_ca_certs(binary_form=True))))


def _root(der: bytes) -> x509.Certificate | None:
    try:
        # Some old roots break rules of today; nobody here can do anything about them.
        with catch_warnings(action="ignore"):
            root = x509.load_der_x509_certificate(der)
        _ = root.subject
    except ValueError:
        return None
    return root
