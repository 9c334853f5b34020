"""Whether a certificate chain will satisfy callers: order, completeness, dates, strength."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import MD5, SHA1

from broker.config.checks.pem import is_issued_by, system_roots
from broker.config.faults import Loc, Problem, warning

SOON: Final = timedelta(days=30)


def chain_problems(chain: list[x509.Certificate], loc: Loc) -> Iterator[Problem]:
    """Everything wrong with a server's chain, leaf first."""
    for certificate in chain:
        yield from date_problems(certificate, loc)
        yield from _strength(certificate, loc)
    yield from _order(chain, loc)
    yield from _completeness(chain, loc)


def date_problems(certificate: x509.Certificate, loc: Loc) -> Iterator[Problem]:
    """Expired, not yet valid, or about to expire."""
    now, end = datetime.now(UTC), certificate.not_valid_after_utc
    if now < certificate.not_valid_before_utc:
        since = certificate.not_valid_before_utc.date()
        yield Problem(loc, f"{subject(certificate)} is not valid before {since}")
    elif now > end:
        yield Problem(loc, f"{subject(certificate)} has expired on {end.date()}")
    elif now + SOON > end:
        yield warning(loc, f"{subject(certificate)} expires on {end.date()}")


def subject(certificate: x509.Certificate) -> str:
    """How messages name a certificate."""
    return _name(certificate.subject)


def _name(name: x509.Name) -> str:
    text = name.rfc4514_string() or "a certificate without a name"
    return "".join(char if char.isprintable() else "?" for char in text)


def _strength(certificate: x509.Certificate, loc: Loc) -> Iterator[Problem]:
    try:
        key, digest = certificate.public_key(), certificate.signature_hash_algorithm
    except (ValueError, UnsupportedAlgorithm):
        yield Problem(loc, f"{subject(certificate)} uses an algorithm that nobody accepts")
        return
    if isinstance(key, RSAPublicKey) and key.key_size < 2048:
        yield Problem(loc, f"{subject(certificate)} has an RSA key of {key.key_size} bits; 2048 is the least")
    if isinstance(digest, SHA1 | MD5) and certificate.issuer != certificate.subject:
        yield Problem(loc, f"{subject(certificate)} is signed with {digest.name}, which callers refuse")


def _order(chain: list[x509.Certificate], loc: Loc) -> Iterator[Problem]:
    for position, (lower, upper) in enumerate(pairwise(chain), start=1):
        if not is_issued_by(lower, upper):
            yield Problem(
                loc,
                f"certificate {position} ({subject(lower)}) is not issued by the next one ({subject(upper)}); "
                "the order is: server certificate, then each issuer",
            )


def _completeness(chain: list[x509.Certificate], loc: Loc) -> Iterator[Problem]:
    # Two or more in order are taken for a chain whose root was left out, as is common.
    leaf = chain[0]
    if len(chain) > 1 or is_issued_by(leaf, leaf) or any(is_issued_by(leaf, root) for root in _roots(leaf)):
        return
    issuer = _name(leaf.issuer)
    message = f"the chain stops at {issuer}: append the intermediate certificates, or the root itself"
    # Callers that know a private issuer get through all the same: an error of `check`, but no reason not to start.
    yield Problem(loc, message, blocking=False)


def _roots(leaf: x509.Certificate) -> Iterator[x509.Certificate]:
    return (root for root in system_roots() if root.subject == leaf.issuer)
