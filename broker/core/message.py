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

_FORWARDING: Final = frozenset({b"forwarded", b"x-real-ip"})
_GUARDED: Final = frozenset({b"content-length", b"transfer-encoding", b"host", b"connection", b"via"})
_NEVER_NAMED: Final = frozenset({b"host", b"content-length", b"forwarded", b"via", b"x-real-ip"})


def normal(name: bytes) -> bytes:
    """The name as CGI-like servers see it: lower case, underscores read as hyphens."""
    return name.lower().replace(b"_", b"-")


def is_forwarding(name: bytes) -> bool:
    """Whether a field claims to say where a request came from; look-alikes with underscores count too."""
    plain = normal(name)
    return plain in _FORWARDING or plain.startswith(b"x-forwarded-")


def is_lookalike(name: bytes) -> bool:
    """Whether an underscore disguises a field that frames or routes the message (`Content_Length`)."""
    return b"_" in name and normal(name) in _GUARDED


def connection_options(values: list[bytes]) -> frozenset[bytes]:
    """The lower-cased options of all `Connection` lines (RFC 9110 section 7.6.1)."""
    return frozenset(option.strip().lower() for value in values for option in value.split(b",")) - {b""}


def named_for_removal(options: frozenset[bytes]) -> frozenset[bytes]:
    """The fields that `Connection` may remove: never those that frame, route or trace the message."""
    return frozenset(name for name in options if name not in _NEVER_NAMED and not name.startswith(b"x-forwarded-"))
