"""Heads of requests and responses: the raw lines, and what was read from them."""

from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from broker.core.message import Line

NO_OPTIONS: Final[frozenset[bytes]] = frozenset()


class Framing(Enum):
    """How the end of a body is known."""

    NONE = "none"
    LENGTH = "length"
    CHUNKED = "chunked"
    CLOSE = "close"


@dataclass(slots=True)
class RequestHead:
    """A request head as it came. `target` is origin-form (or `*`), byte for byte; `host` is bare and lower case."""

    method: bytes
    target: bytes
    http10: bool
    lines: list[Line] = field(repr=False)
    authority: bytes = b""
    host: str = ""
    framing: Framing = Framing.NONE
    length: int = 0
    options: frozenset[bytes] = NO_OPTIONS
    content_type: bytes = b""
    """The first Content-Type, or empty."""
    soap_action: bytes | None = None
    """The first SOAPAction as it came."""
    request_id: bytes = b""
    """The first X-Request-Id, or empty."""
    authorization: bytes | None = field(default=None, repr=False)
    """The first Authorization as it came."""
    expects_continue: bool = False
    upgrade: bool = False

    @property
    def keep_alive(self) -> bool:
        """Whether the caller wants the connection kept (RFC 9112 section 9.3)."""
        if self.http10:
            return b"keep-alive" in self.options and b"close" not in self.options
        return b"close" not in self.options

    def values(self, name: bytes) -> list[bytes]:
        """All values of a field; `name` in lower case."""
        size = len(name)
        return [value for key, value in self.lines if len(key) == size and key.lower() == name]

    def first(self, name: bytes) -> bytes | None:
        """The first value of a field, or None; `name` in lower case."""
        values = self.values(name)
        return values[0].strip(b" \t") if values else None


@dataclass(slots=True)
class ResponseHead:
    """A response head as it came from the upstream."""

    status: int
    reason: bytes
    http10: bool
    lines: list[Line] = field(repr=False)
    framing: Framing = Framing.NONE
    length: int = 0
    options: frozenset[bytes] = NO_OPTIONS
    has_length: bool = False
    chunked: bool = False
    last: bool = False
    """Whether the connection must not be used again, whatever else the answer says."""

    @property
    def keep_alive(self) -> bool:
        """Whether the upstream keeps the connection (RFC 9112 section 9.3)."""
        if self.framing is Framing.CLOSE or self.last:
            return False
        if self.http10:
            return b"keep-alive" in self.options
        return b"close" not in self.options
