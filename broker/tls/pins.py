"""Certificate pins: the upstream's certificate, known by its SHA-256 digest."""

import hashlib
import hmac
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa

from broker.tls.errors import TlsFailure

_MODERN_RSA_BITS: Final = 2048
_MODERN_EC_BITS: Final = 224


def check_pin(certificate: bytes | None, pins: tuple[str, ...], *, modern: bool) -> None:
    """Compare a DER certificate with the pins (lower-case hex); raises `TlsFailure` when none matches.

    A pin waives expiry, hostname and key usage, and nothing else: the profile's least key size still holds.
    """
    digest = hashlib.sha256(certificate or b"").hexdigest()
    if certificate is None or not any(hmac.compare_digest(digest, pin) for pin in pins):
        raise TlsFailure("PIN_MISMATCH", f"the upstream's certificate has the digest {digest}")
    if modern:
        _check_strength(x509.load_der_x509_certificate(certificate))


def _check_strength(certificate: x509.Certificate) -> None:
    key = certificate.public_key()
    least = _MODERN_EC_BITS if isinstance(key, ec.EllipticCurvePublicKey) else _MODERN_RSA_BITS
    if isinstance(key, rsa.RSAPublicKey | dsa.DSAPublicKey | ec.EllipticCurvePublicKey) and key.key_size < least:
        raise TlsFailure("EE_KEY_TOO_SMALL", f"the pinned certificate's key has only {key.key_size} bits")
