"""Client certificates that come as bytes: PEM or PKCS#12 (RFC 7292), with or without a passphrase."""

import os
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    pkcs12,
)

from broker.tls.options import ClientIdentity


class IdentityError(Exception):
    """A certificate that cannot be shown; the text holds nothing of what is in it."""


@contextmanager
def identity_files(certificate: bytes, key: bytes | None, passphrase: bytes | None) -> Iterator[ClientIdentity]:
    """The certificate as files that engines can read, in memory and for this block only.

    Raises `IdentityError` for what is no certificate, has no key or another one, or has expired.
    """
    chain, private = _read(certificate, key, passphrase)
    _check(chain[0], private)
    pem = b"".join(each.public_bytes(Encoding.PEM) for each in chain)
    unencrypted = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with _memory(pem) as chain_path, _memory(unencrypted) as key_path:
        yield ClientIdentity(chain_path, key_path)


def _read(certificate: bytes, key: bytes | None, passphrase: bytes | None) -> tuple[list[x509.Certificate], Any]:
    if b"-----BEGIN" in certificate:
        return _pem(certificate, key if key is not None else certificate, passphrase)
    private, leaf, others = _pkcs12(certificate, passphrase)
    if leaf is None or private is None:
        raise IdentityError("holds no certificate with its private key")
    return [leaf, *others], private


def _pkcs12(data: bytes, passphrase: bytes | None) -> tuple[Any, x509.Certificate | None, list[x509.Certificate]]:
    for form in _forms(data):
        try:
            return pkcs12.load_key_and_certificates(form, passphrase)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            # TypeError: of a passphrase that is not UTF-8.
            continue
    hint = "the passphrase is wrong, or it is" if passphrase else "it needs a `passphrase`, or is"
    raise IdentityError(f"cannot be opened: {hint} neither PKCS#12 nor PEM")


def _forms(data: bytes) -> Iterator[bytes]:
    """The file itself; with the last byte that a secret is given without; and from Base64, as Key Vault has it."""
    yield data
    yield data + b"\n"
    try:
        yield b64decode(b"".join(data.split()), validate=True)
    except ValueError:
        return


def _pem(certificate: bytes, key: bytes, passphrase: bytes | None) -> tuple[list[x509.Certificate], Any]:
    try:
        chain = x509.load_pem_x509_certificates(certificate)
    except ValueError:
        raise IdentityError("holds no valid PEM certificate") from None
    try:
        return chain, load_pem_private_key(key, passphrase)
    except TypeError:
        hint = "is encrypted; name its `passphrase`" if passphrase is None else "is not encrypted; drop `passphrase`"
        raise IdentityError(f"the private key {hint}") from None
    except (ValueError, UnsupportedAlgorithm):
        raise IdentityError("the private key is missing, or its passphrase is wrong") from None


def _check(leaf: x509.Certificate, private: Any) -> None:
    forms = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if leaf.public_key().public_bytes(*forms) != private.public_key().public_bytes(*forms):
        raise IdentityError("the private key belongs to another certificate")
    if leaf.not_valid_after_utc < datetime.now(UTC):
        raise IdentityError(f"the certificate has expired on {leaf.not_valid_after_utc.date()}")


@contextmanager
def _memory(data: bytes) -> Iterator[Path]:
    """A file that is in no directory and on no disk."""
    descriptor = os.memfd_create("identity", os.MFD_CLOEXEC)
    try:
        os.write(descriptor, data)
        yield Path(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)
