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


def parse_idempotency_key(values: list[bytes]) -> str | None:
    """The key, None where no field came; raises `ValueError` for more than one, or one that is malformed.

    A key without quotes is taken as well: many clients send a bare UUID.
    """
    if not values:
        return None
    if len(values) > 1:
        raise ValueError("more than one Idempotency-Key")
    value = values[0].strip(b" \t")
    quoted = _QUOTED.fullmatch(value)
    if quoted is not None:
        key = _ESCAPE.sub(rb"\1", quoted[1])
    elif _BARE.fullmatch(value):
        key = value
    else:
        raise ValueError("the Idempotency-Key is not a string")
    if not 1 <= len(key) <= LONGEST:
        raise ValueError(f"an Idempotency-Key has 1 to {LONGEST} characters")
    return key.decode("ascii")


def fingerprint(method: bytes, target: bytes, content_type: bytes, body: Iterable[bytes]) -> bytes:
    """A digest of what a request asks; `body` in pieces, however they were cut."""
    digest = hashlib.sha256()
    for part in (method, target, content_type):
        # With its length before it, no part can pass for the end of another.
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    for piece in body:
        digest.update(piece)
    return digest.digest()
