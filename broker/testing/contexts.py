"""TLS contexts of the doubles: servers of any age, and clients as strict as Finance & Operations."""

import ssl
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path

from broker.testing.pki import Issued

Identity = Issued | tuple[Path, Path]
"""A certificate made here, or the paths of a chain and a key."""


def server_context(
    identity: Identity,
    *,
    minimum: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2,
    maximum: ssl.TLSVersion = ssl.TLSVersion.MAXIMUM_SUPPORTED,
    ciphers: str = "ALL:@SECLEVEL=0",
    alpn: Sequence[str] = (),
    client_ca: str | None = None,
) -> ssl.SSLContext:
    """A server's context; `client_ca` (PEM) makes a client certificate compulsory."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers(ciphers)
    _set_versions(context, minimum, maximum)
    _load(context, identity)
    if alpn:
        context.set_alpn_protocols(list(alpn))
    if client_ca:
        context.load_verify_locations(cadata=client_ca)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def client_context(
    ca_pem: str,
    *,
    minimum: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2,
    maximum: ssl.TLSVersion = ssl.TLSVersion.MAXIMUM_SUPPORTED,
    ciphers: str | None = None,
    alpn: Sequence[str] = (),
    identity: Identity | None = None,
) -> ssl.SSLContext:
    """A client's context that trusts only the given authority and checks names."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if ciphers:
        context.set_ciphers(ciphers)
    _set_versions(context, minimum, maximum)
    context.load_verify_locations(cadata=ca_pem)
    if alpn:
        context.set_alpn_protocols(list(alpn))
    if identity:
        _load(context, identity)
    return context


def _set_versions(context: ssl.SSLContext, minimum: ssl.TLSVersion, maximum: ssl.TLSVersion) -> None:
    with warnings.catch_warnings():
        # Python deprecates TLS 1.0 and 1.1, which are what these doubles are for.
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = minimum
        context.maximum_version = maximum


def _load(context: ssl.SSLContext, identity: Identity) -> None:
    if not isinstance(identity, Issued):
        context.load_cert_chain(*identity)
        return
    # The ssl module loads keys from files only.
    with tempfile.TemporaryDirectory() as directory:
        context.load_cert_chain(*identity.write(Path(directory), "identity"))
