"""One connection to the look-alike of IIS: it is what is authenticated."""

import asyncio
import json
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Protocol, cast

import httptools
from spnego.channel_bindings import GssChannelBindings

from broker.testing.windows_auth.acceptor import Acceptor
from broker.testing.windows_auth.manners import Manners

_LOGINS = (b"negotiate", b"ntlm")


@dataclass
class Received:
    """A request as it came."""

    method: str = ""
    target: bytes = b""
    authorization: bytes = b""
    body: bytes = b""
    status: int = 0
    user: str | None = None


class Host(Protocol):
    """The server that a connection belongs to."""

    manners: Manners
    bindings: GssChannelBindings | None
    requests: list[Received]
    handshakes: int
    dropped: int

    def acceptor(self, scheme: bytes) -> Acceptor:
        """The server's side of a new login."""


@dataclass
class Reply:
    """An answer on its way."""

    status: int
    lines: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytes = b""
    close: bool = False


class Connection(asyncio.Protocol):
    """HTTP/1.1 with keep-alive, one request after the other."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._parser = httptools.HttpRequestParser(self)
        self._request = Received()
        self._login: Acceptor | None = None
        self._user: str | None = None
        self._left = 0
        self._transport: asyncio.Transport | None = None

    def abort(self) -> None:
        """End it, whatever is under way."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)

    @property
    def open(self) -> bool:
        """Whether it is there."""
        return self._transport is not None

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        self._transport = None

    def data_received(self, data: bytes) -> None:
        """Bytes of requests."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.abort()

    def on_url(self, url: bytes) -> None:
        """Part of the target."""
        self._request.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header line."""
        if name.lower() == b"authorization":
            self._request.authorization = value

    def on_body(self, data: bytes) -> None:
        """Part of the body."""
        self._request.body += data

    def on_message_complete(self) -> None:
        """A whole request: answer it."""
        request, self._request = self._request, Received()
        request.method = self._parser.get_method().decode()
        reply = self._reply(request)
        request.status, request.user = reply.status, self._user
        self._host.requests.append(request)
        if reply.status == HTTPStatus.OK and not (self._host.manners.persists and self._stays()):
            self._user = None
        self._write(reply, head_only=request.method == "HEAD")

    def _stays(self) -> bool:
        forgets = self._host.manners.forgets_after
        self._left -= 1
        return not forgets or self._left >= 0

    def _reply(self, request: Received) -> Reply:
        if request.target in self._host.manners.open_paths:
            return self._content(request)
        scheme, _, token = request.authorization.partition(b" ")
        if scheme.lower() not in _LOGINS or scheme.lower() not in [one.lower() for one in self._host.manners.schemes]:
            return self._content(request) if self._user else self._challenge()
        return self._step(request, scheme, token)

    def _step(self, request: Received, scheme: bytes, token: bytes) -> Reply:
        if self._login is None:
            self._login = self._host.acceptor(scheme)
            self._host.handshakes += 1
        login = self._login
        out = login.answer(token)
        if login.failed:
            self._login = None
            return self._challenge()
        if login.user is None:
            line = (b"WWW-Authenticate", scheme + b" " + out)
            return Reply(401, [line], close=self._host.manners.closes_midway)
        self._login = None
        if self._user not in (None, login.user):
            # Whoever shares this connection would be taken for somebody else.
            self._host.dropped += 1
            return Reply(500, close=True)
        self._user, self._left = login.user, self._host.manners.forgets_after
        reply = self._content(request)
        if out:
            reply.lines.append((b"WWW-Authenticate", scheme + b" " + out))
        if self._host.manners.says_so:
            reply.lines.append((b"Persistent-Auth", b"true" if self._host.manners.persists else b"false"))
        return reply

    def _challenge(self) -> Reply:
        self._user = None
        lines = [(b"WWW-Authenticate", scheme) for scheme in self._host.manners.schemes]
        return Reply(401, lines, b"Access is denied.", close=self._host.manners.closes_after_401)

    def _content(self, request: Received) -> Reply:
        if request.target in self._host.manners.forbidden_paths:
            return Reply(401, body=b"Not for you.")
        seen = {
            "user": self._user,
            "method": request.method,
            "target": request.target.decode(),
            "body": request.body.decode("latin-1"),
        }
        return Reply(200, [(b"Content-Type", b"application/json")], json.dumps(seen).encode())

    def _write(self, reply: Reply, *, head_only: bool) -> None:
        assert self._transport is not None
        lines = [*reply.lines, (b"Content-Length", b"%d" % len(reply.body))]
        if reply.close:
            lines.append((b"Connection", b"close"))
        head = b"HTTP/1.1 %d %s\r\n" % (reply.status, HTTPStatus(reply.status).phrase.encode())
        head += b"".join(name + b": " + value + b"\r\n" for name, value in lines)
        self._transport.write(head + b"\r\n" + (b"" if head_only else reply.body))
        if reply.close:
            self._transport.close()
