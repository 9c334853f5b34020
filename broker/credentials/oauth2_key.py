"""Keys that sign assertions, and the certificates that belong to them: PEM or PKCS#12 (RFC 7292)."""

from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    pkcs12,
)

from broker.core.secret import SecretUnavailable

_FORMS: Final = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key, and its certificate where there is one."""

    private: Any = field(repr=False)
    certificate: x509.Certificate | None = None

    def algorithm(self, wanted: str | None) -> str:
        """How to sign with it; raises `SecretUnavailable` when it is a key of another kind."""
        elliptic = isinstance(self.private, ec.EllipticCurvePrivateKey) and isinstance(self.private.curve, ec.SECP256R1)
        if not elliptic and not isinstance(self.private, rsa.RSAPrivateKey):
            raise SecretUnavailable("the private key signs no assertions: RSA or P-256 is needed")
        chosen = wanted or ("ES256" if elliptic else "PS256")
        if (chosen == "ES256") != elliptic:
            raise SecretUnavailable(f"the private key is of another kind than {chosen} needs")
        return chosen

    def thumbprints(self) -> dict[str, str]:
        """`x5t` and `x5t#S256` of the header (RFC 7515 section 4.1): by them Entra ID finds the certificate."""
        if self.certificate is None:
            return {}
        sha1 = self.certificate.fingerprint(hashes.SHA1())  # noqa: S303 - a name that the standard gives, no protection
        return {"x5t": _text(sha1), "x5t#S256": _text(self.certificate.fingerprint(hashes.SHA256()))}

    def pem(self) -> bytes:
        """Key and certificate in one PEM, unencrypted: for memory only."""
        key: bytes = self.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return key if self.certificate is None else key + self.certificate.public_bytes(Encoding.PEM)


def read_key(certificate: bytes | None, key: bytes | None, passphrase: bytes | None) -> SigningKey:
    """The key and its certificate; raises `SecretUnavailable`, which holds nothing of what is in them."""
    if certificate is not None and b"-----BEGIN" not in certificate:
        found = _pfx(certificate, passphrase)
    else:
        private = _pem_key(key if key is not None else certificate or b"", passphrase)
        found = SigningKey(private, None if certificate is None else _leaf(certificate, private))
    if found.certificate is not None and found.certificate.not_valid_after_utc < datetime.now(UTC):
        raise SecretUnavailable(f"the certificate has expired on {found.certificate.not_valid_after_utc.date()}")
    return found


def _pfx(data: bytes, passphrase: bytes | None) -> SigningKey:
    try:
        private, leaf, _ = pkcs12.load_key_and_certificates(data, passphrase)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # TypeError: of a passphrase that is not UTF-8.
        hint = "the passphrase is wrong, or it is" if passphrase else "it needs a `passphrase`, or is"
        raise SecretUnavailable(f"the certificate cannot be opened: {hint} neither PKCS#12 nor PEM") from None
    if private is None or leaf is None:
        raise SecretUnavailable("the PKCS#12 file holds no certificate with its private key")
    return SigningKey(private, leaf)


def _pem_key(data: bytes, passphrase: bytes | None) -> Any:
    try:
        return load_pem_private_key(data, passphrase)
    except TypeError:
        hint = "is encrypted; name its `passphrase`" if passphrase is None else "is not encrypted; drop `passphrase`"
        raise SecretUnavailable(f"the private key {hint}") from None
    except (ValueError, UnsupportedAlgorithm):
        raise SecretUnavailable("the private key is missing or no PEM, or its passphrase is wrong") from None


def _leaf(data: bytes, private: Any) -> x509.Certificate:
    """The certificate of this key, wherever in the chain it stands."""
    try:
        chain = x509.load_pem_x509_certificates(data)
        fitting = [one for one in chain if one.public_key().public_bytes(*_FORMS) == _public(private)]
    except (ValueError, UnsupportedAlgorithm):
        raise SecretUnavailable("there is no valid PEM certificate") from None
    if not fitting:
        raise SecretUnavailable("the private key belongs to another certificate")
    return fitting[0]


def _public(private: Any) -> bytes:
    return bytes(private.public_key().public_bytes(*_FORMS))


def _text(digest: bytes) -> str:
    return urlsafe_b64encode(digest).rstrip(b"=").decode()
