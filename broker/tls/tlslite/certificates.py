"""The server's certificates: tlslite hands them over unverified; OpenSSL (through pyOpenSSL) judges them."""

import ssl
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.dsa import DSAPublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from OpenSSL._util import lib
from OpenSSL.crypto import (
    FILETYPE_ASN1,
    X509,
    Error,
    X509Store,
    X509StoreContext,
    X509StoreContextError,
    load_certificate,
)
from tlslite.utils.keyfactory import _create_public_dsa_key, _createPublicRSAKey

from broker.tls.errors import TlsFailure
from broker.tls.options import Trust

_NO_CHECK_TIME: Final = 0x200000
_LEAST_BITS: Final = 512
_MOST_BITS: Final = 16_384
# Larger exponents are nobody's, and would keep Python's arithmetic busy for seconds.
_MOST_EXPONENT_BITS: Final = 64
_MOST_DSA_BITS: Final = 4096
_MOST_ORDER_BITS: Final = 512


def ssl_error(message: str) -> ssl.SSLError:
    """An error of a file of the operator's, as the system's OpenSSL would raise it."""
    error = ssl.SSLError(1, message)
    error.reason = "PEM_LIB"
    return error


class Judge:
    """Verifies chains against an upstream's `Trust`, offline, whatever their keys and digests are worth."""

    def __init__(self, trust: Trust) -> None:
        """Raises `OSError` or `ssl.SSLError` when the roots cannot be read."""
        self._store = _store(trust) if trust.chain else None

    def key(self, chain: list[bytes]) -> tuple[str, Any]:
        """Verify a DER chain, leaf first; returns the algorithm and the key of the leaf, the key as tlslite's.

        Raises `TlsFailure`.
        """
        try:
            certificates = [load_certificate(FILETYPE_ASN1, each) for each in chain]
        except Error:
            raise TlsFailure("BAD_CERTIFICATE", "the server's certificate cannot be read") from None
        if self._store is not None:
            _verify(self._store, certificates)
        return _public_key(certificates[0])


def _store(trust: Trust) -> X509Store:
    store = X509Store()
    try:
        if trust.ca is not None:
            trust.ca.open("rb").close()
            store.load_locations(trust.ca)
        else:
            _load_system_roots(store)
    except Error:
        raise ssl_error("no certificate or certificate revocation list found in the CA file") from None
    if trust.pins:
        store.set_flags(_NO_CHECK_TIME)
    else:
        # pyOpenSSL has no method for it; without a purpose, certificates of mail clients would do.
        lib.X509_STORE_set_purpose(store._store, lib.X509_PURPOSE_SSL_SERVER)  # noqa: SLF001
    return store


def _load_system_roots(store: X509Store) -> None:
    """The interpreter's roots: pyOpenSSL's own OpenSSL looks elsewhere."""
    paths = ssl.get_default_verify_paths()
    if paths.cafile or paths.capath:
        store.load_locations(paths.cafile, paths.capath)
        return
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    for root in context.get_ca_certs(binary_form=True):
        store.add_cert(load_certificate(FILETYPE_ASN1, root))


def _verify(store: X509Store, certificates: list[X509]) -> None:
    try:
        X509StoreContext(store, certificates[0], certificates[1:]).verify_certificate()
    except X509StoreContextError as error:
        code, _, message = error.errors
        raise TlsFailure("CERTIFICATE_VERIFY_FAILED", message, code) from None


def _public_key(leaf: X509) -> tuple[str, Any]:
    try:
        key = leaf.get_pubkey().to_cryptography_key()
    except (Error, ValueError, TypeError):
        raise TlsFailure("BAD_CERTIFICATE", "the server's public key cannot be read") from None
    if isinstance(key, RSAPublicKey):
        rsa = key.public_numbers()
        if key.key_size < _LEAST_BITS:
            raise TlsFailure("EE_KEY_TOO_SMALL", f"the server's RSA key has only {key.key_size} bits")
        if key.key_size > _MOST_BITS or rsa.e.bit_length() > _MOST_EXPONENT_BITS:
            raise TlsFailure("MODULUS_TOO_LARGE", "the server's RSA key is beyond reason")
        return "rsa", _createPublicRSAKey(rsa.n, rsa.e, "rsa")
    if isinstance(key, DSAPublicKey):
        dsa = key.public_numbers()
        order = dsa.parameter_numbers.q
        if key.key_size > _MOST_DSA_BITS or order.bit_length() > _MOST_ORDER_BITS:
            raise TlsFailure("MODULUS_TOO_LARGE", "the server's DSA key is beyond reason")
        return "dsa", _create_public_dsa_key(dsa.parameter_numbers.p, order, dsa.parameter_numbers.g, dsa.y)
    raise TlsFailure("WRONG_CERTIFICATE_TYPE", "the server's key is neither RSA nor DSA")
