"""Digest challenges, and which of several is answered (RFC 7616 section 3.3)."""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

from broker.credentials.challenges import parameters
from broker.credentials.offers import Offer

Hash = Callable[[bytes], bytes]
"""From octets to lower-case hex: H() of RFC 7616 section 3.4."""


def _hex(name: str, data: bytes) -> bytes:
    return hashlib.new(name, data, usedforsecurity=False).hexdigest().encode()


_HASHES: Final[Mapping[bytes, tuple[int, Hash]]] = {
    b"MD5": (1, partial(_hex, "md5")),
    b"SHA-256": (2, partial(_hex, "sha256")),
    # Not every build of OpenSSL has it.
    **({b"SHA-512-256": (3, partial(_hex, "sha512_256"))} if "sha512_256" in hashlib.algorithms_available else {}),
}
"""Strength and function of each algorithm."""

AUTH: Final = b"auth"
AUTH_INT: Final = b"auth-int"


@dataclass(frozen=True, slots=True)
class Challenge:
    """One challenge that can be answered."""

    realm: bytes
    nonce: bytes
    opaque: bytes | None
    algorithm: bytes
    """As the server wrote it; empty where it did not, which means MD5."""
    strength: int
    hash: Hash
    session: bool
    """Whether the algorithm is a `-sess` one."""
    qop: bytes
    """What of the offered is used; empty for servers as of RFC 2069, which offer none."""
    stale: bool
    userhash: bool
    utf8: bool


def challenges(found: Iterable[Offer]) -> list[Challenge]:
    """The Digest challenges that can be answered, the strongest first, else in the server's order."""
    usable = [one for offer in found if offer.scheme == b"digest" and (one := _challenge(offer.rest)) is not None]
    # A challenge that needs the digest of the body comes last: the body may not be at hand.
    return sorted(usable, key=lambda one: (one.qop == AUTH_INT, -one.strength))


def _challenge(text: bytes) -> Challenge | None:
    given = parameters(text)
    written = given.get(b"algorithm", b"")
    name = written.upper() or b"MD5"
    strength, function = _HASHES.get(name.removesuffix(b"-SESS"), (0, None))
    qop = _qop(given.get(b"qop", b""))
    if function is None or qop is None or b"nonce" not in given:
        return None
    # What is sent back goes into a header line again.
    echoed = (given.get(b"realm", b""), given[b"nonce"], given.get(b"opaque", b""), written)
    if any(not printable(value) for value in echoed):
        return None
    return Challenge(
        realm=echoed[0],
        nonce=echoed[1],
        opaque=given.get(b"opaque"),
        algorithm=written,
        strength=strength,
        hash=function,
        session=name.endswith(b"-SESS"),
        qop=qop,
        stale=given.get(b"stale", b"").lower() == b"true",
        userhash=given.get(b"userhash", b"").lower() == b"true",
        utf8=given.get(b"charset", b"").upper() == b"UTF-8",
    )


def _qop(offered: bytes) -> bytes | None:
    """Which quality of protection is used; None where none of the offered is known."""
    options = {option.strip(b" \t").lower() for option in offered.split(b",")} - {b""}
    if not options:
        return b""
    return next((known for known in (AUTH, AUTH_INT) if known in options), None)


def printable(value: bytes) -> bool:
    """Whether a value may stand in a header line."""
    return all(byte >= 32 and byte != 127 for byte in value)
