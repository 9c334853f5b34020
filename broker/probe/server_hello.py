"""What a server says before anything is encrypted: ServerHello, Certificate, ServerKeyExchange.

RFC 5246 section 7.4, RFC 8446 section 4.1.3, RFC 6101 section 5.6. Nothing here raises: what is cut or makes no sense
is None.
"""

from dataclasses import dataclass
from typing import Final

from broker.tls.versions import TlsVersion

_RENEGOTIATION_INFO: Final = 0xFF01
_SUPPORTED_VERSIONS: Final = 43
_SESSION_TICKET: Final = 35
_NAMED_CURVE: Final = 3


@dataclass(frozen=True, slots=True)
class ServerHello:
    """The server's choice."""

    version: int
    suite: int
    compression: int
    session_id: bytes
    extensions: dict[int, bytes]

    @property
    def tls_version(self) -> TlsVersion | None:
        """The version, None for one that does not exist."""
        try:
            return TlsVersion(self.version)
        except ValueError:
            return None

    @property
    def secure_renegotiation(self) -> bool:
        """RFC 5746; TLS 1.3 has no renegotiation to secure."""
        return _RENEGOTIATION_INFO in self.extensions or self.version >= TlsVersion.TLSv1_3

    @property
    def remembers(self) -> bool:
        """Whether it offers to resume the session: by its id, or by a ticket (RFC 5077)."""
        return bool(self.session_id) or _SESSION_TICKET in self.extensions


@dataclass(frozen=True, slots=True)
class KeyExchange:
    """The ephemeral key of a ServerKeyExchange."""

    kind: str
    """`dh`, `ecdh` or `rsa`."""
    bits: int


class _Cursor:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def take(self, size: int) -> bytes:
        if self.at + size > len(self.data):
            raise EOFError
        self.at += size
        return self.data[self.at - size : self.at]

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def vector(self, size: int) -> bytes:
        return self.take(self.number(size))

    @property
    def left(self) -> bool:
        return self.at < len(self.data)


def read_server_hello(body: bytes) -> ServerHello | None:
    """A ServerHello's body."""
    cursor = _Cursor(body)
    try:
        version = cursor.number(2)
        cursor.take(32)
        session = cursor.vector(1)
        suite, compression = cursor.number(2), cursor.number(1)
        found = _extensions(cursor.vector(2)) if cursor.left else {}
    except EOFError:
        return None
    selected = found.get(_SUPPORTED_VERSIONS, b"")
    if len(selected) == 2:
        version = int.from_bytes(selected, "big")
    return ServerHello(version, suite, compression, session, found)


def _extensions(data: bytes) -> dict[int, bytes]:
    cursor, found = _Cursor(data), {}
    while cursor.left:
        number = cursor.number(2)
        found[number] = cursor.vector(2)
    return found


def read_certificates(body: bytes) -> tuple[bytes, ...] | None:
    """A Certificate's body, up to TLS 1.2: DER, the server's own first."""
    found: list[bytes] = []
    try:
        cursor = _Cursor(_Cursor(body).vector(3))
        while cursor.left:
            found.append(cursor.vector(3))
    except EOFError:
        return None
    return tuple(found)


_CURVE_BITS: Final = {19: 192, 21: 224, 22: 256, 23: 256, 24: 384, 25: 521, 29: 253, 30: 448}


def read_key_exchange(body: bytes, suite: str) -> KeyExchange | None:
    """A ServerKeyExchange's body; its form depends on the suite."""
    cursor = _Cursor(body)
    try:
        if suite.startswith(("ECDHE", "AECDH")):
            kind, curve = cursor.number(1), cursor.number(2)
            return KeyExchange("ecdh", _CURVE_BITS.get(curve, 0)) if kind == _NAMED_CURVE else None
        modulus = int.from_bytes(cursor.vector(2), "big")
    except EOFError:
        return None
    ephemeral = suite.startswith(("DHE", "EDH", "ADH", "EXP-EDH", "EXP-ADH"))
    return KeyExchange("dh" if ephemeral else "rsa", modulus.bit_length())
