"""How callers write their signatures: where the time is, where the digests are, and what was signed."""

import binascii
import re
from base64 import b64decode, urlsafe_b64decode
from dataclasses import dataclass
from typing import Final, Literal

from broker.core.heads import RequestHead

SIZE: Final = 32
"""Bytes of an HMAC-SHA256."""
_MOST: Final = 16
_SECONDS: Final = re.compile(rb"[0-9]{1,12}\Z")


class MalformedSignature(Exception):
    """The fields are there and are no signature; the text says why, without what they hold."""


@dataclass(frozen=True, slots=True)
class Signed:
    """What a request shows: any of the digests will do; `before` is signed in front of the body."""

    digests: tuple[bytes, ...]
    before: bytes
    timestamp: int | None


@dataclass(frozen=True, slots=True)
class SignatureForm:
    """How a caller signs; names of fields in lower case."""

    header: bytes
    signed: Literal["timestamp_body", "stripe", "body"]
    timestamp_header: bytes
    encoding: Literal["hex", "base64"]
    prefix: bytes

    @property
    def consumed(self) -> frozenset[bytes]:
        """The fields that carry the proof."""
        if self.signed == "timestamp_body":
            return frozenset({self.header, self.timestamp_header})
        return frozenset({self.header})

    def read(self, head: RequestHead) -> Signed | None:
        """What the request shows, None when it shows nothing; raises `MalformedSignature`."""
        values = head.values(self.header)
        if not values:
            return None
        value = _single(values, "signature")
        if self.signed == "stripe":
            return self._stripe(value)
        digest = self._digest(value)
        if self.signed == "body":
            return Signed((digest,), b"", None)
        stamp = _single(head.values(self.timestamp_header), "timestamp")
        return Signed((digest,), stamp + b".", _seconds(stamp))

    def _stripe(self, value: bytes) -> Signed:
        """`t=SECONDS,v1=DIGEST`; several digests while the secret is changed."""
        pairs = [part.strip(b" \t").partition(b"=") for part in value.split(b",")]
        stamp = _single([text for key, _, text in pairs if key == b"t"], "timestamp")
        digests = [self._digest(text) for key, _, text in pairs if key == b"v1"]
        if not 1 <= len(digests) <= _MOST:
            raise MalformedSignature("There is no v1 signature.")
        return Signed(tuple(digests), stamp + b".", _seconds(stamp))

    def _digest(self, text: bytes) -> bytes:
        if not text.startswith(self.prefix):
            raise MalformedSignature("The signature does not start as it should.")
        plain = text[len(self.prefix) :]
        try:
            digest = _unhex(plain) if self.encoding == "hex" else _unbase64(plain)
        except (binascii.Error, ValueError):
            digest = b""
        if len(digest) != SIZE:
            raise MalformedSignature(f"The signature is no HMAC-SHA256 in {self.encoding}.")
        return digest


def _single(values: list[bytes], what: str) -> bytes:
    if len(values) != 1:
        raise MalformedSignature(f"There is no {what}." if not values else f"There is more than one {what}.")
    return values[0].strip(b" \t")


def _seconds(text: bytes) -> int:
    if not _SECONDS.match(text):
        raise MalformedSignature("The timestamp is no number of seconds since 1970.")
    return int(text)


def _unhex(text: bytes) -> bytes:
    # bytes.fromhex overlooks blanks.
    return binascii.unhexlify(text)


def _unbase64(text: bytes) -> bytes:
    if b"-" in text or b"_" in text:
        return urlsafe_b64decode(text) if re.fullmatch(rb"[A-Za-z0-9_=-]*", text) else b""
    return b64decode(text, validate=True)
