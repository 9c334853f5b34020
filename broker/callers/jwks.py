"""The public keys of an issuer of tokens, from its JSON Web Key Set (RFC 7517)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt import PyJWK
from jwt.exceptions import PyJWTError

PublicKey = RSAPublicKey | EllipticCurvePublicKey
_FAMILIES: Final[dict[str, tuple[str, ...]]] = {"RSA": ("RS", "PS"), "EC": ("ES",)}
_RSA_LEAST: Final = 2048
_CURVES: Final = {"ES256": "secp256r1", "ES384": "secp384r1", "ES512": "secp521r1"}


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key, and which algorithms it is for."""

    key: PublicKey
    algorithm: str
    """The only one, or empty where the key does not say."""

    def fits(self, algorithm: str) -> bool:
        """Whether a signature of this algorithm may be checked with this key."""
        if self.algorithm and self.algorithm != algorithm:
            return False
        if isinstance(self.key, RSAPublicKey):
            return algorithm[:2] in _FAMILIES["RSA"]
        return _CURVES.get(algorithm) == self.key.curve.name


def read_keys(document: object) -> dict[str, SigningKey]:
    """The usable keys of a set by `kid`; keys for other purposes, and what cannot be read, are passed over."""
    listed = document.get("keys") if isinstance(document, Mapping) else None
    if not isinstance(listed, list):
        raise ValueError("no set of keys")
    found = ((entry.get("kid"), _key(entry)) for entry in listed if isinstance(entry, dict))
    return {kid: key for kid, key in found if isinstance(kid, str) and kid and key is not None}


def _key(entry: dict[str, Any]) -> SigningKey | None:
    if entry.get("kty") not in _FAMILIES or entry.get("use", "sig") != "sig":
        return None
    algorithm = entry.get("alg", "")
    try:
        # The algorithm of the set is compared by `fits`; here it would only choose a class.
        key = PyJWK({**entry, "alg": None}).key
    except (PyJWTError, ValueError, TypeError):
        return None
    if not isinstance(algorithm, str) or not isinstance(key, RSAPublicKey | EllipticCurvePublicKey):
        return None
    weak = isinstance(key, RSAPublicKey) and key.key_size < _RSA_LEAST
    return None if weak else SigningKey(key, algorithm)
