"""Request targets (RFC 9112 section 3.2): which forms are taken, and what is refused rather than repaired."""

import re
from functools import lru_cache
from typing import Final

from broker.http1.errors import ProtocolError

_AUTHORITY: Final = re.compile(rb"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~!$&'()*+,;=%-]+)(?::[0-9]{0,5})?\Z")
_LONGEST_AUTHORITY: Final = 261
"""Bytes of the longest host name (255, RFC 1035 section 2.3.4) with a port behind it."""
_ENCODED: Final = re.compile(rb"%(2e|2f|5c)", re.IGNORECASE)
_DECODED: Final = {b"2e": b".", b"2f": b"/", b"5c": b"/"}


def split_target(target: bytes) -> tuple[bytes | None, bytes]:
    """(authority or None, origin-form) of a target in origin-, absolute- or asterisk-form.

    The origin-form is a slice of what came, byte for byte. Raises `ProtocolError` for any other form.
    """
    if target.startswith(b"/") or target == b"*":
        if b"#" in target:
            raise ProtocolError("a fragment is no part of a request target")
        return None, target
    scheme, separator, rest = target.partition(b"://")
    if not separator or scheme.lower() not in (b"http", b"https") or b"#" in rest:
        raise ProtocolError("the request target is not in origin-form or absolute-form")
    end = min((i for i in (rest.find(b"/"), rest.find(b"?")) if i >= 0), default=len(rest))
    path = rest[end:]
    return rest[:end], path if path.startswith(b"/") else b"/" + path


def host_of(authority: bytes) -> str:
    """The bare lower-case host of an authority, without port, brackets kept; raises `ProtocolError`."""
    if len(authority) > _LONGEST_AUTHORITY:
        # Before anything is remembered of it, here and for the lines about the caller: anybody sends hosts.
        raise ProtocolError("Host is too long")
    return _remembered_host(authority)


@lru_cache(maxsize=1024)
def _remembered_host(authority: bytes) -> str:
    if not _AUTHORITY.match(authority):
        raise ProtocolError("Host is malformed")
    host = authority.lower()
    colon = host.rfind(b":")
    if colon > host.rfind(b"]"):
        host = host[:colon]
    return host.decode("ascii").rstrip(".")


def has_dot_segments(target: bytes) -> bool:
    """Whether the path climbs: a `..` segment, plain or percent-encoded, also between backslashes or before `;`."""
    if b".." not in target and b"%2" not in target:
        return False
    path = target.partition(b"?")[0]
    plain = _ENCODED.sub(lambda match: _DECODED[match[1].lower()], path).replace(b"\\", b"/")
    return any(segment.partition(b";")[0] == b".." for segment in plain.split(b"/"))
