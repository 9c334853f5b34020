"""Bytes of a caller in, requests out: strict RFC 9112 on llhttp, without a socket.

llhttp decides what a message is; this module adds what it leaves to its users (limits, targets, hosts, versions,
codings) and smooths what httptools does not expose: raw bytes above 0x7F in targets, and bodies of requests that
ask for an upgrade, which is never granted here.
"""

import re
from typing import Final, NoReturn, Protocol

import httptools

from broker.core.heads import Framing, RequestHead
from broker.core.message import Line
from broker.http1.errors import ProtocolError
from broker.http1.head import (
    AUTHORIZATION,
    CODING,
    CONTENT_TYPE,
    EXPECT,
    HOST,
    LENGTH,
    REQUEST_ID,
    SOAP_ACTION,
    Fields,
    is_chunked,
    options_of,
    sort_lines,
)
from broker.http1.limits import HeadLimits
from broker.http1.target import has_dot_segments, host_of, split_target

_HIGH: Final = re.compile(rb"[\x80-\xff]")


class RequestSink(Protocol):
    """Who takes the parsed requests, in order."""

    def on_request(self, head: RequestHead) -> None:
        """A head is complete and sound."""

    def on_request_data(self, data: bytes) -> None:
        """Some bytes of the body, framing removed."""

    def on_request_end(self) -> None:
        """The message is complete; trailers, if any, are dropped (RFC 9110 section 6.5.1)."""


class RequestParser:
    """Feeds a sink from the bytes of one connection. After a `ProtocolError` it takes no more."""

    __slots__ = (
        "_body",
        "_data",
        "_fed",
        "_fresh",
        "_limits",
        "_line",
        "_lines",
        "_parser",
        "_priming",
        "_sink",
        "_started",
        "_target",
    )

    def __init__(self, sink: RequestSink, limits: HeadLimits) -> None:
        self._sink = sink
        self._limits = limits
        self._parser = httptools.HttpRequestParser(self)
        self._lines: list[Line] = []
        self._target = b""
        self._data = b""
        self._line = b""
        self._fed = 0
        self._fresh = True
        self._started = False
        self._body = False
        self._priming: RequestHead | None = None

    @property
    def idle(self) -> bool:
        """Whether the connection stands between two requests."""
        return not self._started

    def close(self) -> None:
        """No more bytes come: let go of the sink, and of the parser below; each holds whoever listens to it."""
        del self._sink, self._parser

    def feed(self, data: bytes) -> None:
        """Take the next bytes. Raises `ProtocolError` when they break the protocol or a limit."""
        self._data = data
        fresh, end = self._fresh, -1
        if fresh:
            end = data.find(b"\n")
            masked = self._masked(data, end)
            self._line = data if masked is not data else b""
            data = masked
        self._feed(data)
        self._fresh = not self._started or (fresh and end < 0)
        if self._started and not self._body:
            self._check_partial(len(data))
        self._data = self._line = b""

    @staticmethod
    def _masked(data: bytes, end: int) -> bytes:
        """llhttp refuses bytes above 0x7F in targets; they pass it as `x` and come back in `_as_sent`."""
        line = data if end < 0 else data[:end]
        return data if line.isascii() else _HIGH.sub(b"x", line) + data[len(line) :]

    def _feed(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._go_on_after_upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserError as error:
            self._fail(error)

    def _fail(self, error: Exception) -> NoReturn:
        cause = error.__context__
        if isinstance(cause, ProtocolError):
            raise cause from None
        reason = str(error)
        if "HTTP version" in reason or "PRI/Upgrade" in reason:
            raise ProtocolError(reason, "version_not_supported") from None
        raise ProtocolError(reason) from None

    def _check_partial(self, size: int) -> None:
        self._fed += size
        if self._fed > self._limits.header_bytes:
            raise ProtocolError("the header section is too large", self._too_large())
        if len(self._lines) > self._limits.headers:
            raise ProtocolError("too many header lines", "headers_too_large")

    def _too_large(self) -> str:
        return "headers_too_large" if self._lines or not self._target else "target_too_long"

    # What llhttp tells, in its order.

    def on_message_begin(self) -> None:
        if self._priming is None:
            self._started = True
            self._fed = 0
            self._target = b""
            self._lines = []

    def on_url(self, url: bytes) -> None:
        if self._priming is None:
            self._target += self._as_sent(url) if b"x" in url else url

    def _as_sent(self, url: bytes) -> bytes:
        data = self._line
        if not data:
            return url
        line = _HIGH.sub(b"x", data)
        at = line.find(url)
        return data[at : at + len(url)]

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._body:
            self._lines.append((name, value))

    def on_headers_complete(self) -> None:
        if self._priming is not None:
            return
        self._body = True
        self._line = b""
        head = self._read_head()
        if self._parser.should_upgrade():
            head.upgrade = True
            self._priming = head
        self._sink.on_request(head)

    def on_body(self, data: bytes) -> None:
        self._sink.on_request_data(data)

    def on_message_complete(self) -> None:
        if self._priming is None:
            self._started = self._body = False
            self._sink.on_request_end()

    # What a head has to be.

    def _read_head(self) -> RequestHead:
        http10 = self._read_version()
        fields = sort_lines(self._lines)
        if self._fed + len(self._data) > self._limits.header_bytes or len(self._lines) > self._limits.headers:
            self._check_size()
        method = self._parser.get_method()
        # CONNECT alone has an authority-form (RFC 9112 section 3.2.3); it is refused by name, not for its form.
        authority, target = (None, self._target) if method == b"CONNECT" else split_target(self._target)
        if has_dot_segments(target):
            raise ProtocolError("the path has a `..` segment")
        authority, host = self._read_authority(authority, fields, http10)
        head = RequestHead(method, target, http10, self._lines, authority, host)
        self._read_framing(head, fields)
        head.options = options_of(fields)
        expect = fields.get(EXPECT)
        if expect and not http10:
            head.expects_continue = any(value.strip().lower() == b"100-continue" for value in expect)
        if CONTENT_TYPE in fields:
            head.content_type = fields[CONTENT_TYPE][0].strip(b" \t")
        if SOAP_ACTION in fields:
            head.soap_action = fields[SOAP_ACTION][0].strip(b" \t")
        if REQUEST_ID in fields:
            head.request_id = fields[REQUEST_ID][0]
        if AUTHORIZATION in fields:
            head.authorization = fields[AUTHORIZATION][0]
        return head

    def _read_version(self) -> bool:
        version = self._parser.get_http_version()
        if version == "1.1":
            return False
        if version == "1.0":
            return True
        if version == "0.9" and b"HTTP/0.9" not in self._data:
            raise ProtocolError("HTTP/0.9 is not spoken here")
        raise ProtocolError(f"HTTP/{version} is not spoken here", "version_not_supported")

    def _check_size(self) -> None:
        lines = self._lines
        if len(lines) > self._limits.headers:
            raise ProtocolError("too many header lines", "headers_too_large")
        if len(self._target) > self._limits.header_bytes:
            raise ProtocolError("the request target is too long", "target_too_long")
        size = len(self._target) + sum([len(name) + len(value) + 4 for name, value in lines])
        if size > self._limits.header_bytes:
            raise ProtocolError("the header section is too large", "headers_too_large")

    @staticmethod
    def _read_authority(authority: bytes | None, fields: Fields, http10: bool) -> tuple[bytes, str]:
        """The authority that counts, and its bare host; both must be sound where a target and `Host` name one."""
        hosts = fields.get(HOST)
        if hosts is None:
            if http10:
                return authority or b"", host_of(authority) if authority else ""
            raise ProtocolError("Host is missing")
        if len(hosts) > 1:
            raise ProtocolError("there is more than one Host")
        host = hosts[0].strip(b" \t")
        if not host and not http10:
            raise ProtocolError("Host is empty")
        name = host_of(host) if host else ""
        if authority is None:
            return host, name
        return authority, host_of(authority) if authority else ""

    @staticmethod
    def _read_framing(head: RequestHead, fields: Fields) -> None:
        if is_chunked(fields.get(CODING)):
            if head.http10:
                raise ProtocolError("HTTP/1.0 has no Transfer-Encoding")
            head.framing = Framing.CHUNKED
        elif LENGTH in fields:
            head.framing = Framing.LENGTH
            head.length = int(fields[LENGTH][0])

    # Requests that ask for an upgrade: llhttp stops behind the head, yet a body may follow.

    def _go_on_after_upgrade(self, rest: bytes) -> None:
        head = self._priming
        assert head is not None  # noqa: S101 - llhttp raises only after the head it flagged
        self._parser = httptools.HttpRequestParser(self)
        if head.framing is Framing.CHUNKED:
            self._parser.feed_data(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n")
        elif head.length:
            self._parser.feed_data(b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % head.length)
        self._priming = None
        if head.framing is not Framing.CHUNKED and not head.length:
            self.on_message_complete()
        if rest:
            self._feed(rest)
