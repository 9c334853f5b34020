"""What binds a login to a TLS connection: the upstream's certificate (`tls-server-end-point`, RFC 5929 section 4)."""

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from spnego.channel_bindings import GssChannelBindings


def channel_bindings(certificate: bytes) -> GssChannelBindings | None:
    """The bindings to a server with this certificate (DER); None where none are defined for its signature."""
    algorithm = _hash(certificate)
    if algorithm is None:
        return None
    digest = hashes.Hash(algorithm)
    digest.update(certificate)
    return GssChannelBindings(application_data=b"tls-server-end-point:" + digest.finalize())


def _hash(certificate: bytes) -> hashes.HashAlgorithm | None:
    try:
        signed = x509.load_der_x509_certificate(certificate).signature_hash_algorithm
    except (UnsupportedAlgorithm, ValueError):
        # A certificate too odd to be read is of an age in which SHA-256 stands in for its hash.
        return hashes.SHA256()
    # RFC 5929 section 4.1: MD5 and SHA-1 become SHA-256; signatures without a hash have no bindings.
    return hashes.SHA256() if isinstance(signed, hashes.MD5 | hashes.SHA1) else signed
