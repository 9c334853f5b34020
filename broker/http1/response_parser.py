"""Bytes of an upstream in, one answer at a time out: strict RFC 9112 on llhttp, without a socket."""

import re
from typing import Final, Protocol

import httptools

from broker.core.heads import Framing, ResponseHead
from broker.core.message import Line
from broker.core.quirks import Quirk
from broker.http1.errors import ProtocolError
from broker.http1.head import CODING, LENGTH, is_chunked, options_of, sort_lines
from broker.http1.limits import UPSTREAM_LIMITS, HeadLimits

_CONTROL: Final = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")


class ResponseSink(Protocol):
    """Who takes the parsed answer."""

    def on_response(self, head: ResponseHead) -> None:
        """The final head; interim ones (1xx) are dropped."""

    def on_response_data(self, data: bytes) -> None:
        """Some bytes of the body, framing removed."""

    def on_response_end(self) -> None:
        """The answer is complete."""


class ResponseParser:
    """Feeds a sink with the answer to one request after the other on one connection."""

    __slots__ = (
        "_bodyless",
        "_fed",
        "_framing",
        "_http10",
        "_interim",
        "_kept",
        "_limits",
        "_lines",
        "_parser",
        "_reason",
        "_sink",
        "_stale",
        "begun",
        "done",
        "refused",
        "surplus",
    )

    def __init__(self, sink: ResponseSink, limits: HeadLimits = UPSTREAM_LIMITS) -> None:
        self._sink = sink
        self._limits = limits
        self._parser = self._new_parser()
        self._stale = False
        self._lines: list[Line] = []
        self._reason = b""
        self._framing: Framing | None = None
        self._bodyless = False
        self._interim = False
        self._fed = 0
        self._kept: list[bytes] = []
        self.refused = b""
        """After a `ProtocolError` about an answer whose start is at hand: all that came of it."""
        self.begun = False
        """Whether some of an answer has come that may be the final one: interim ones that are over do not count."""
        self.done = True
        """Whether no answer is outstanding."""
        self.surplus = False
        """Whether bytes came that belong to no answer: the connection must not be used again."""

    def _new_parser(self) -> httptools.HttpResponseParser:
        return httptools.HttpResponseParser(self)

    def close(self) -> None:
        """No more bytes come: let go of the sink, and of the parser below; each holds whoever listens to it."""
        self._stale = False
        del self._sink, self._parser

    def expect(self, method: bytes) -> None:
        """An answer to a request with this method comes next (HEAD has none to its body)."""
        if self._stale:
            self._parser = self._new_parser()
            self._stale = False
        self._bodyless = method == b"HEAD"
        self._framing = None
        self._lines = []
        self._fed = 0
        if self._kept:
            self._kept = []
        self.begun = self.done = False

    def feed(self, data: bytes) -> None:
        """Take the next bytes. Raises `ProtocolError` while an answer is outstanding; later ones are `surplus`."""
        if self.done:
            self.surplus = True
            return
        in_head = self._framing is None
        if in_head:
            self._check_partial(len(data))
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            raise ProtocolError("the upstream switched protocols unasked") from None
        except httptools.HttpParserError as error:
            if in_head:
                self.refused = b"".join([*self._kept, data])
            self._fail(error)
        if in_head and self._framing is None:
            self._kept.append(data)

    def feed_eof(self) -> None:
        """The upstream closed. Raises `ProtocolError` when an answer is left incomplete."""
        if self.done:
            return
        if self._framing is not Framing.CLOSE:
            short = Quirk.CONTENT_LENGTH_MISMATCH if self._framing is Framing.LENGTH else None
            raise ProtocolError("the upstream closed the connection before its answer was complete", quirk=short)
        self._end()

    @property
    def bodyless(self) -> bool:
        """Whether the outstanding answer is one to HEAD."""
        return self._bodyless

    @property
    def started(self) -> bool:
        """Whether a byte of the outstanding answer has come."""
        return self._fed > 0

    def _fail(self, error: Exception) -> None:
        if self.done:
            self.surplus = True
            return
        cause = error.__context__
        if isinstance(cause, ProtocolError):
            raise cause from None
        raise ProtocolError(str(error)) from None

    def _check_partial(self, size: int) -> None:
        if self._fed > self._limits.header_bytes or len(self._lines) > self._limits.headers:
            raise ProtocolError("the answer's header section is too large")
        self._fed += size

    # What llhttp tells, in its order.

    def on_message_begin(self) -> None:
        if self.done:
            self.surplus = True
        self.begun = True
        self._lines = []
        self._reason = b""

    def on_status(self, reason: bytes) -> None:
        self._reason += reason

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._framing is None:
            self._lines.append((name, value))

    def on_headers_complete(self) -> None:
        if self.done:
            self.surplus = True
            return
        status = self._parser.get_status_code()
        if status < 200:
            self._interim = True
            if status < 100 or status == 101:
                raise ProtocolError(f"the upstream answered with status {status}")
            return
        head = self._read_head(status)
        self._framing = head.framing
        self._sink.on_response(head)
        if self._bodyless:
            self._stale = True
            self._end()

    def on_body(self, data: bytes) -> None:
        if self.done:
            self.surplus = True
        else:
            self._sink.on_response_data(data)

    def on_message_complete(self) -> None:
        if self._interim:
            self._interim = self.begun = False
            self._framing = None
            self._lines = []
        elif not self.done:
            self._end()

    def _end(self) -> None:
        self.done = True
        self._sink.on_response_end()

    # What a head has to be.

    def _read_head(self, status: int) -> ResponseHead:
        if len(self._lines) > self._limits.headers:
            raise ProtocolError("the answer has too many header lines")
        if _CONTROL.search(self._reason):
            raise ProtocolError("the answer's reason phrase has control bytes")
        if self._fed > self._limits.header_bytes:
            self._check_size()
        fields = sort_lines(self._lines)
        head = ResponseHead(status, self._reason, self._parser.get_http_version() != "1.1", self._lines)
        head.options = options_of(fields)
        head.chunked = is_chunked(fields.get(CODING))
        if LENGTH in fields:
            head.has_length = True
            head.length = int(fields[LENGTH][0])
        head.framing = self._framing_of(head)
        return head

    def _check_size(self) -> None:
        if sum(len(name) + len(value) + 4 for name, value in self._lines) > self._limits.header_bytes:
            raise ProtocolError("the answer's header section is too large")

    def _framing_of(self, head: ResponseHead) -> Framing:
        if self._bodyless or head.status in (204, 304):
            return Framing.NONE
        if head.chunked:
            return Framing.CHUNKED
        return Framing.LENGTH if head.has_length else Framing.CLOSE
