"""A ClientHello, written by hand: no library sends what the oldest servers need, or what upsets them.

RFC 5246 section 7.4.1.2, RFC 8446 section 4.1.2, RFC 6101 section 5.6.1.2; extensions of RFC 6066, 7685, 8422.
"""

import secrets
import struct
from dataclasses import dataclass
from typing import Final

from broker.probe.suites import SCSV
from broker.tls.versions import TlsVersion

_SERVER_NAME: Final = 0
_GROUPS: Final = 10
_POINT_FORMATS: Final = 11
_SIGNATURES: Final = 13
_PADDING: Final = 21
_SUPPORTED_VERSIONS: Final = 43
_KEY_SHARE: Final = 51
_OPTIONAL: Final = (35, 22, 23)
_X25519: Final = 29
_GROUP_LIST: Final = (_X25519, 23, 24, 25)
_SIGNATURE_LIST: Final = (0x0403, 0x0503, 0x0804, 0x0805, 0x0401, 0x0501, 0x0601, 0x0201, 0x0203, 0x0101, 0x0202)
"""ECDSA, RSA-PSS and RSA with SHA-2, then SHA-1, MD5 and DSA for those who know nothing better."""

CLOSE_NOTIFY: Final = b"\x15\x03\x01\x00\x02\x01\x00"


@dataclass(frozen=True, slots=True)
class Hello:
    """What a ClientHello says."""

    version: TlsVersion
    """The newest version offered."""
    suites: tuple[int, ...]
    server_name: str | None = None
    extensions: bool = True
    """False: not a single one, and renegotiation (RFC 5746) signalled by a suite alone."""
    pad_to: int = 0
    """Length of the handshake message to fill up to (RFC 7685)."""
    optional: bool = False
    """Whether to offer what libraries offer of their own accord: tickets, encrypt-then-MAC, extended master secret."""

    def encode(self) -> bytes:
        """The record to send."""
        body = self._fixed()
        if self.extensions and self.version > TlsVersion.SSLv3:
            found = self._extensions()
            missing = self.pad_to - (4 + len(body) + 2 + len(found) + 4)
            if missing >= 0:
                found += _extension(_PADDING, bytes(missing))
            body += _vector(found)
        message = b"\x01" + len(body).to_bytes(3, "big") + body
        # RFC 5246 appendix E.1: the record says 3.1, whatever the hello says, unless it is SSLv3.
        outer = min(self.version, TlsVersion.TLSv1_0)
        return struct.pack(">BHH", 22, outer, len(message)) + message

    def _fixed(self) -> bytes:
        version = min(self.version, TlsVersion.TLSv1_2)
        session = secrets.token_bytes(32) if self.version is TlsVersion.TLSv1_3 else b""
        suites = b"".join(code.to_bytes(2, "big") for code in (*self.suites, SCSV))
        head = struct.pack(">H", version) + secrets.token_bytes(32) + bytes([len(session)]) + session
        return head + _vector(suites) + b"\x01\x00"

    def _extensions(self) -> bytes:
        found = b""
        if self.server_name is not None:
            name = self.server_name.encode("ascii")
            found += _extension(_SERVER_NAME, _vector(b"\x00" + _vector(name)))
        found += _extension(_GROUPS, _vector(_words(_GROUP_LIST)))
        found += _extension(_POINT_FORMATS, b"\x01\x00")
        if self.version >= TlsVersion.TLSv1_2:
            found += _extension(_SIGNATURES, _vector(_words(_SIGNATURE_LIST)))
        if self.optional:
            found += b"".join(_extension(number, b"") for number in _OPTIONAL)
        if self.version is TlsVersion.TLSv1_3:
            # All of them: who knows this extension looks at nothing else (RFC 8446 section 4.2.1).
            offered = _words(tuple(version for version in reversed(TlsVersion) if version > TlsVersion.SSLv3))
            found += _extension(_SUPPORTED_VERSIONS, bytes([len(offered)]) + offered)
            share = struct.pack(">H", _X25519) + _vector(secrets.token_bytes(32))
            found += _extension(_KEY_SHARE, _vector(share))
        return found


def sslv2_hello() -> bytes:
    """A CLIENT-HELLO of SSLv2 that offers nothing newer: only to tell its servers from silence."""
    ciphers = bytes.fromhex("0700c0 050080 030080 010080 060040 040080 020080")
    body = struct.pack(">BHHHH", 1, 2, len(ciphers), 0, 16) + ciphers + secrets.token_bytes(16)
    return struct.pack(">H", 0x8000 | len(body)) + body


def _vector(data: bytes) -> bytes:
    return struct.pack(">H", len(data)) + data


def _extension(number: int, data: bytes) -> bytes:
    return struct.pack(">H", number) + _vector(data)


def _words(values: tuple[int, ...]) -> bytes:
    return b"".join(struct.pack(">H", value) for value in values)
