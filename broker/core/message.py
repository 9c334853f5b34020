"""The vocabulary of HTTP messages, and which header fields belong to one hop only.

Field lines are pairs of raw bytes, in the order and case in which they came (RFC 9110 section 5): whoever forwards
them forwards exactly these.
"""

from typing import Final

Line = tuple[bytes, bytes]
"""A field line: name and value as they came, without the line end."""

HOP_BY_HOP: Final = frozenset(
    {
        b"connection",
        b"http2-settings",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
"""Fields that end at the next hop (RFC 9110 section 7.6.1, RFC 7540 section 3.2.1)."""

LONGEST_REMEMBERED: Final = 64
"""Bytes of a field name that may be remembered: anybody chooses names, and real ones are shorter."""

_PLAIN: Final = bytes(ord(chr(byte).lower()) if byte < 128 and chr(byte).isalnum() else ord("-") for byte in range(256))
_FORWARDING: Final = frozenset({b"forwarded", b"x-real-ip"})
_GUARDED: Final = frozenset({b"content-length", b"transfer-encoding", b"host", b"connection", b"via"})
_NEVER_NAMED: Final = frozenset({b"host", b"content-length", b"forwarded", b"via", b"x-real-ip"})


def normal(name: bytes) -> bytes:
    """The name as CGI-like servers see it: lower case, and whatever is no letter or digit read as a hyphen."""
    return name.translate(_PLAIN)


def is_forwarding(name: bytes) -> bool:
    """Whether a field claims to say where a request came from; look-alikes (`X_Forwarded.For`) count too."""
    plain = normal(name)
    return plain in _FORWARDING or plain.startswith(b"x-forwarded-")


def is_lookalike(name: bytes) -> bool:
    """Whether another sign disguises a field that frames or routes the message (`Content_Length`)."""
    plain = normal(name)
    return plain in _GUARDED and plain != name.lower()


def connection_options(values: list[bytes]) -> frozenset[bytes]:
    """The lower-cased options of all `Connection` lines (RFC 9110 section 7.6.1)."""
    return frozenset(option.strip().lower() for value in values for option in value.split(b",")) - {b""}


def named_for_removal(options: frozenset[bytes]) -> frozenset[bytes]:
    """The fields that `Connection` may remove: never those that frame, route or trace the message."""
    return frozenset(name for name in options if name not in _NEVER_NAMED and not name.startswith(b"x-forwarded-"))
