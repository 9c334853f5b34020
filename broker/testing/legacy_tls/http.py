"""As much of an HTTP server as the behaviours need: it answers from the head and drops the body."""

import re
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

BODY = b"a server of the past"


class Stream(Protocol):
    """A connection, with or without TLS."""

    def read(self) -> bytes:
        """What arrives next; b"" at the end."""

    def write(self, data: bytes) -> None:
        """Send it all."""


@dataclass(frozen=True)
class Plain:
    """A connection that a socket stands for, be it TLS or not."""

    socket: socket.socket

    def read(self) -> bytes:
        """What arrives next; b"" at the end."""
        return self.socket.recv(65536)

    def write(self, data: bytes) -> None:
        """Send it all."""
        self.socket.sendall(data)


@dataclass(frozen=True)
class Request:
    """The head of a request; names of headers are in lower case."""

    method: str
    target: str
    version: str
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Reply:
    """The bytes of a response."""

    data: bytes
    keep: bool = False
    """Whether the connection takes another request."""
    early: bool = False
    """Whether it is sent without reading the request's body, which ends the connection."""


Answer = Callable[[Request], Reply]


def reply(request: Request, status: str = "200 OK", body: bytes = BODY, *headers: str, keep: bool = True) -> Reply:
    """An orderly HTTP/1.1 response."""
    keep = keep and request.version == "HTTP/1.1" and request.headers.get("connection", "").lower() != "close"
    fields = [*headers, f"Content-Length: {len(body)}", *([] if keep else ["Connection: close"])]
    if not any(field.lower().startswith("content-type:") for field in fields):
        fields.append("Content-Type: text/plain")
    head = "\r\n".join([f"HTTP/1.1 {status}", *fields, "", ""]).encode()
    return Reply(head + (b"" if request.method == "HEAD" else body), keep)


def converse(stream: Stream, answer: Answer) -> None:
    """Answer requests until one of both ends the connection."""
    pending = b""
    while True:
        head, pending = _until(stream, pending, b"\r\n\r\n")
        request = _parse(head)
        given = answer(request)
        if given.early:
            stream.write(given.data)
            _linger(stream)
            return
        if request.headers.get("expect", "").lower() == "100-continue":
            stream.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        pending = _skip_body(stream, pending, request)
        stream.write(given.data)
        if not given.keep:
            return


def _until(stream: Stream, data: bytes, end: bytes) -> tuple[bytes, bytes]:
    while end not in data:
        more = stream.read()
        if not more:
            raise EOFError
        data += more
    found, _, rest = data.partition(end)
    return found, rest


def _parse(head: bytes) -> Request:
    first, *lines = head.decode("latin-1").split("\r\n")
    match = re.fullmatch(r"([A-Z]+) (\S+) (HTTP/1\.[01])", first)
    if not match:
        raise EOFError
    pairs = (line.partition(":") for line in lines)
    return Request(match[1], match[2], match[3], {name.lower(): value.strip() for name, _, value in pairs})


def _skip_body(stream: Stream, pending: bytes, request: Request) -> bytes:
    if request.headers.get("transfer-encoding", "").lower() == "chunked":
        if pending.startswith(b"0\r\n\r\n"):
            return pending[5:]
        return _until(stream, pending, b"\r\n0\r\n\r\n")[1]
    left = int(request.headers.get("content-length", "0"))
    while len(pending) < left:
        more = stream.read()
        if not more:
            raise EOFError
        pending += more
    return pending[left:]


def _linger(stream: Stream) -> None:
    """Read on until the client ends: closing on unread data would reset the connection, and the answer be lost."""
    with suppress(OSError):
        while stream.read():
            pass
