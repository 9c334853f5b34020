"""Keys and certificate signatures, among them the weak ones that legacy endpoints still present."""

import datetime as dt
import secrets
from collections.abc import Sequence

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, padding, rsa

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | dsa.DSAPrivateKey

_EXPONENT = 65537
_SHA256_WITH_RSA = bytes.fromhex("06092a864886f70d01010b")
_WEAK: dict[str, tuple[hashes.HashAlgorithm, bytes]] = {
    "sha1": (hashes.SHA1(), bytes.fromhex("06092a864886f70d010105")),
    "md5": (hashes.MD5(), bytes.fromhex("06092a864886f70d010104")),
}
_STRONG: dict[str, hashes.SHA256 | hashes.SHA384] = {"sha256": hashes.SHA256(), "sha384": hashes.SHA384()}


def make_key(kind: str) -> PrivateKey:
    """Make a private key: `ec` for P-256, `dsa1024`, or `rsa` with a size, such as `rsa2048` or `rsa512`."""
    if kind == "ec":
        return ec.generate_private_key(ec.SECP256R1())
    if kind == "dsa1024":
        return dsa.generate_private_key(1024)
    if not kind.startswith("rsa"):
        raise ValueError(f"no such key kind: {kind}")
    size = int(kind.removeprefix("rsa"))
    return _small_rsa(size) if size < 1024 else rsa.generate_private_key(public_exponent=_EXPONENT, key_size=size)


def _small_rsa(size: int) -> rsa.RSAPrivateKey:
    """Make a key that `cryptography` loads and uses, but is too careful to make."""
    p, q = _prime(size - size // 2), _prime(size // 2)
    public = rsa.RSAPublicNumbers(_EXPONENT, p * q)
    d = pow(_EXPONENT, -1, (p - 1) * (q - 1))
    return rsa.RSAPrivateNumbers(p, q, d, d % (p - 1), d % (q - 1), pow(q, -1, p), public).private_key()


def _prime(bits: int) -> int:
    """A random number that passes Fermat's test: prime enough for a key that protects nothing."""
    while True:
        # The two highest bits are set, so that a product of two has all its bits.
        candidate = secrets.randbits(bits) | 3 << bits - 2 | 1
        if candidate % _EXPONENT != 1 and all(pow(base, candidate - 1, candidate) == 1 for base in (2, 3, 5, 7, 11)):
            return candidate


def sign(builder: x509.CertificateBuilder, key: PrivateKey, digest: str) -> x509.Certificate:
    """Sign a certificate with `sha256`, `sha384`, or for RSA issuers `sha1` or `md5`."""
    if digest in _STRONG:
        return builder.sign(key, _STRONG[digest])
    if not isinstance(key, rsa.RSAPrivateKey):
        raise ValueError(f"{digest} signatures need an RSA issuer")
    return _weaken(builder.sign(key, hashes.SHA256()), key, digest)


def _weaken(draft: x509.Certificate, key: rsa.RSAPrivateKey, digest: str) -> x509.Certificate:
    """Replace the SHA-256 signature of a draft.

    `cryptography` refuses to sign certificates with weak digests. The identifiers of the RSA signature
    algorithms differ in their last byte only and the signature keeps its length, so no DER length changes.
    """
    algorithm, identifier = _WEAK[digest]
    tbs = draft.tbs_certificate_bytes.replace(_SHA256_WITH_RSA, identifier)
    signature = key.sign(tbs, padding.PKCS1v15(), algorithm)
    der = draft.public_bytes(serialization.Encoding.DER).replace(_SHA256_WITH_RSA, identifier)
    return x509.load_der_x509_certificate(der[: -len(signature)] + signature)


def validity(not_before: dt.datetime | None, not_after: dt.datetime | None) -> tuple[dt.datetime, dt.datetime]:
    """Fill in the missing ends of a validity period: 30 days from now, or ending when told."""
    now = dt.datetime.now(dt.UTC)
    end = not_after or now + dt.timedelta(days=30)
    start = not_before or min(now - dt.timedelta(hours=1), end - dt.timedelta(days=1))
    return start, end


def certificate_pem(certificates: Sequence[x509.Certificate]) -> str:
    """Certificates as PEM, one after the other."""
    return "".join(each.public_bytes(serialization.Encoding.PEM).decode() for each in certificates)


def key_pem(key: PrivateKey) -> str:
    """A private key as unencrypted PKCS#8 PEM."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
