"""Reading a ClientHello off the wire, as far as old servers took offence at it."""

import socket
from dataclasses import dataclass

SERVER_NAME, SESSION_TICKET, SUPPORTED_VERSIONS, RENEGOTIATION_INFO = 0, 35, 43, 0xFF01


@dataclass(frozen=True)
class Hello:
    """What a ClientHello offers."""

    length: int
    """Of the handshake message with its header."""
    version: int
    suites: tuple[int, ...]
    extensions: dict[int, bytes] | None
    """None when the hello has no block of extensions."""

    def has(self, extension: int) -> bool:
        """Whether it carries an extension."""
        return extension in (self.extensions or {})


def exactly(connection: socket.socket, count: int) -> bytes:
    """So many bytes; EOFError when the peer leaves before."""
    data = bytearray()
    while len(data) < count:
        more = connection.recv(count - len(data))
        if not more:
            raise EOFError
        data += more
    return bytes(data)


def read_hello(connection: socket.socket) -> tuple[bytes, Hello | None]:
    """The bytes of the first ClientHello as they came, and its meaning; None for what is not one of TLS or SSLv3."""
    raw = exactly(connection, 1)
    if raw != b"\x16":
        return raw, None
    message = b""
    while len(message) < 4 or len(message) < 4 + int.from_bytes(message[1:4]):
        header = exactly(connection, 4 if not message else 5)
        fragment = exactly(connection, int.from_bytes(header[-2:]))
        raw += header + fragment
        message += fragment
        if message[:1] not in (b"", b"\x01"):
            return raw, None
    return raw, parse(message)


def parse(message: bytes) -> Hello | None:
    """The meaning of a ClientHello, or None when it makes no sense."""
    try:
        position = 4 + 2 + 32
        position += 1 + message[position]
        size = int.from_bytes(message[position : position + 2])
        position += 2
        suites = message[position : position + size]
        position += size
        position += 1 + message[position]
    except IndexError:
        return None
    pairs = tuple(int.from_bytes(suites[at : at + 2]) for at in range(0, len(suites), 2))
    extensions = _extensions(message[position + 2 :]) if position < len(message) else None
    return Hello(len(message), int.from_bytes(message[4:6]), pairs, extensions)


def _extensions(block: bytes) -> dict[int, bytes]:
    found, position = {}, 0
    while position + 4 <= len(block):
        kind, size = int.from_bytes(block[position : position + 2]), int.from_bytes(block[position + 2 : position + 4])
        found[kind] = block[position + 4 : position + 4 + size]
        position += 4 + size
    return found
