"""Bodies out: chunked or as they are (RFC 9112 section 7.1), with backpressure, on either hop."""

from collections.abc import Callable
from typing import Protocol

from broker.core.body import Body

LAST_CHUNK = b"0\r\n\r\n"


def whole_chunked(data: bytes) -> bytes:
    """A body that is all there, in one chunk and the last one."""
    return b"%x\r\n%b\r\n0\r\n\r\n" % (len(data), data) if data else LAST_CHUNK


class Outlet(Protocol):
    """A connection that a body is written to."""

    write_blocked: bool

    def send(self, data: bytes) -> None:
        """Send, or buffer; `write_blocked` tells when to stop."""


class BodyWriter:
    """Drains a body into a connection. Exactly one of `done` and `broken` is called, once."""

    __slots__ = ("_body", "_broken", "_chunked", "_done", "_outlet")

    def __init__(
        self,
        outlet: Outlet,
        body: Body,
        *,
        chunked: bool,
        done: Callable[[], None],
        broken: Callable[[Exception], None],
    ) -> None:
        self._outlet = outlet
        self._body = body
        self._chunked = chunked
        self._done = done
        self._broken = broken

    def write(self, data: bytes) -> None:
        self._outlet.send(b"%x\r\n%b\r\n" % (len(data), data) if self._chunked else data)
        if self._outlet.write_blocked:
            self._body.pause()

    def finish(self) -> None:
        if self._chunked:
            self._outlet.send(LAST_CHUNK)
        self._done()

    def fail(self, error: Exception) -> None:
        self._broken(error)

    @property
    def size(self) -> int:
        """How long the body is, as far as it has come."""
        return self._body.size

    def drop(self) -> None:
        """The connection is gone, or the message given up."""
        self._body.abandon()

    def writable(self) -> None:
        """The connection has room again."""
        self._body.resume()
