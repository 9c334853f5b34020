"""What identifies a request that a caller may send twice: its `Idempotency-Key`, and a digest of what it asks.

draft-ietf-httpapi-idempotency-key-header-07; the key is a String of RFC 8941 section 3.3.3.
"""

import hashlib
import re
from collections.abc import Iterable
from typing import Final

LONGEST: Final = 255
"""Characters of a key."""

_QUOTED: Final = re.compile(rb'"((?:[\x20-\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"')
_BARE: Final = re.compile(rb"[\x21\x23-\x2b\x2d-\x5b\x5d-\x7e]+")
_ESCAPE: Final = re.compile(rb'\\(["\\])')


def parse_idempotency_key(values: list[bytes]) -> str:
    """The key; raises `ValueError`, in words for the caller, where there is not exactly one that is well-formed.

    A key without quotes is taken as well: many clients send a bare UUID.
    """
    if len(values) != 1:
        raise ValueError("There is more than one Idempotency-Key.")
    value = values[0].strip(b" \t")
    quoted = _QUOTED.fullmatch(value)
    if quoted is not None:
        key = _ESCAPE.sub(rb"\1", quoted[1])
    elif _BARE.fullmatch(value):
        key = value
    else:
        raise ValueError("The Idempotency-Key is not a string of printable ASCII in double quotes, nor one word.")
    if not 1 <= len(key) <= LONGEST:
        raise ValueError(f"An Idempotency-Key has 1 to {LONGEST} characters.")
    return key.decode("ascii")


class Fingerprint:
    """A digest of what a request asks."""

    __slots__ = ("_hash",)

    def __init__(self, parts: Iterable[bytes]) -> None:
        """`parts`: what counts besides the body, always as many and in the same order."""
        self._hash = hashlib.sha256()
        for part in parts:
            # With its length before it, no part can pass for the end of another.
            self._hash.update(len(part).to_bytes(8, "big"))
            self._hash.update(part)

    def add(self, piece: bytes) -> None:
        """More of the body, however it was cut."""
        self._hash.update(piece)

    def digest(self) -> bytes:
        """What stands for the request."""
        return self._hash.digest()
