"""Certificate and key files that the configuration names."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from broker.config.checks.chains import chain_problems, date_problems
from broker.config.checks.pem import PemError, is_issued_by, read_certificates, read_key
from broker.config.draft import Draft
from broker.config.faults import Loc, Problem, warning
from broker.config.model import Certificate, Limits, Listener, Upstream
from broker.config.partial import rule

_OTHERS: Final = 0o077


def server_certificates(draft: Draft) -> Iterator[Problem]:
    """Chains and keys of listeners."""
    for name, listener in draft.listeners.items():
        yield from _served(listener, ("listeners", name, "tls", "certificates"))


def client_certificates(draft: Draft) -> Iterator[Problem]:
    """Certificates that the broker shows to upstreams."""
    for name, upstream in draft.upstreams.items():
        yield from _shown(upstream, ("upstreams", name, "tls", "client_certificate"))


def trust_files(draft: Draft) -> Iterator[Problem]:
    """Files of certificates to trust: callers' CAs, and upstreams'."""
    for name, listener in draft.listeners.items():
        yield from _trusted_callers(listener, ("listeners", name, "tls", "client_ca"))
    for name, upstream in draft.upstreams.items():
        yield from _trusted_service(upstream, ("upstreams", name, "tls", "ca"))
    if draft.limits is not None:
        yield from _trusted_store(draft.limits, ("limits", "store_ca"))


@rule
def _served(listener: Listener, at: Loc) -> Iterator[Problem]:
    for index, certificate in enumerate(listener.tls.certificates):
        yield from _pair(certificate, (*at, index))


@rule
def _shown(upstream: Upstream, at: Loc) -> Iterator[Problem]:
    if upstream.tls is not None and upstream.tls.client_certificate is not None:
        shown = upstream.tls.client_certificate
        yield from _client_pair(shown.chain, shown.key, at)


@rule
def _trusted_callers(listener: Listener, at: Loc) -> Iterator[Problem]:
    if listener.tls.client_ca is not None:
        yield from _client_ca(listener.tls.client_ca, at)


@rule
def _trusted_service(upstream: Upstream, at: Loc) -> Iterator[Problem]:
    if upstream.tls is not None and upstream.tls.ca is not None:
        yield from _upstream_ca(upstream.tls.ca, at)


@rule
def _trusted_store(limits: Limits, at: Loc) -> Iterator[Problem]:
    if limits.store_ca is not None:
        yield from _upstream_ca(limits.store_ca, at)


def _pair(certificate: Certificate, at: Loc) -> Iterator[Problem]:
    chain: list[x509.Certificate] = []
    try:
        chain = read_certificates(certificate.chain)
        yield from chain_problems(chain, (*at, "chain"))
    except PemError as error:
        yield Problem((*at, "chain"), str(error))
    yield from _key(certificate.key, chain, at)


def _client_pair(path: Path, key: Path, at: Loc) -> Iterator[Problem]:
    chain: list[x509.Certificate] = []
    try:
        chain = read_certificates(path)
        yield from date_problems(chain[0], (*at, "chain"))
    except PemError as error:
        yield Problem((*at, "chain"), str(error))
    yield from _key(key, chain, at)


def _key(path: Path, chain: list[x509.Certificate], at: Loc) -> Iterator[Problem]:
    try:
        key = read_key(path)
    except PemError as error:
        yield Problem((*at, "key"), str(error))
        return
    if chain and _public(key.public_key()) != _leaf_key(chain[0]):
        yield Problem((*at, "key"), "is not the key of the first certificate in `chain`")
    yield from _private(path, (*at, "key"))


def _private(path: Path, loc: Loc) -> Iterator[Problem]:
    if path.stat().st_mode & _OTHERS:
        yield warning(loc, "other users of this machine can read the private key; chmod 600 it")


def _client_ca(path: Path, loc: Loc) -> Iterator[Problem]:
    try:
        certificates = read_certificates(path)
    except PemError as error:
        yield Problem(loc, str(error))
        return
    if not any(map(_is_ca, certificates)):
        yield Problem(loc, "holds no CA certificate")


def _upstream_ca(path: Path, loc: Loc) -> Iterator[Problem]:
    try:
        certificates = read_certificates(path)
    except PemError as error:
        yield Problem(loc, str(error))
        return
    for certificate in certificates:
        for problem in date_problems(certificate, loc):
            yield warning(loc, problem.message)


def _is_ca(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        # Version 1 certificates know no extensions; an old root is one that signed itself.
        return certificate.version is x509.Version.v1 and is_issued_by(certificate, certificate)
    except ValueError:
        return False


def _leaf_key(leaf: x509.Certificate) -> bytes:
    try:
        return _public(leaf.public_key())
    except (ValueError, UnsupportedAlgorithm):
        return b""


def _public(key: Any) -> bytes:
    return bytes(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
