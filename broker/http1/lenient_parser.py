"""The answers of an upstream whose quirks are put up with: llhttp decides, and no more is allowed than was named."""

from dataclasses import dataclass
from typing import Final

import httptools

from broker.core.heads import Framing, ResponseHead
from broker.core.quirks import NO_QUIRKS, Quirk, Quirks
from broker.http1.limits import UPSTREAM_LIMITS, HeadLimits
from broker.http1.mending import Mender, mends_of
from broker.http1.response_parser import ResponseParser, ResponseSink

_FLAGS: Final = {
    Quirk.BARE_LF: "lenient_optional_cr_before_lf",
    Quirk.CONTENT_LENGTH_AND_CHUNKED: "lenient_chunked_length",
    Quirk.BAD_CHUNK_SIZE_SPACES: "lenient_spaces_after_chunk_size",
    Quirk.CHUNK_WITHOUT_CRLF: "lenient_optional_crlf_after_chunk",
    Quirk.UNKNOWN_VERSION: "lenient_version",
}


@dataclass(frozen=True, slots=True)
class AnswerRules:
    """What is different about the answers of one upstream."""

    quirks: Quirks = NO_QUIRKS
    asked_in_1_0: bool = False
    """Whether the requests were HTTP/1.0: then a connection is kept only when the answer says so."""


class LenientResponseParser(ResponseParser):
    """A `ResponseParser` with exceptions; without any it does the same."""

    __slots__ = ("_mender", "_rules")

    def __init__(self, sink: ResponseSink, rules: AnswerRules, limits: HeadLimits = UPSTREAM_LIMITS) -> None:
        self._rules = rules
        mends = mends_of(rules.quirks)
        self._mender = Mender(mends, limits.header_bytes) if mends else None
        super().__init__(sink, limits)

    def _new_parser(self) -> httptools.HttpResponseParser:
        parser = httptools.HttpResponseParser(self)
        flags = {flag: True for quirk, flag in _FLAGS.items() if quirk in self._rules.quirks}
        if flags:
            parser.set_dangerous_leniencies(**flags)
        return parser

    def expect(self, method: bytes) -> None:
        super().expect(method)
        if self._mender is not None:
            self._mender.begin()

    def feed(self, data: bytes) -> None:
        mender = self._mender
        if mender is None:
            super().feed(data)
            return
        while data:
            ready, data = (data, b"") if self.done else mender.take(data)
            if ready:
                super().feed(ready)
            if mender.in_body and self._framing is None:
                # That was the head of an interim answer.
                mender.begin()

    def feed_eof(self) -> None:
        self.flush()
        super().feed_eof()

    def flush(self) -> None:
        """Have llhttp look at the header lines that were held back for their end, which does not come."""
        if self._mender is not None and not self.done and (held := self._mender.flush()):
            super().feed(held)

    def _read_head(self, status: int) -> ResponseHead:
        head = super()._read_head(status)
        quirks = self._rules.quirks
        if head.chunked and head.has_length:
            # RFC 9112 section 6.3: chunked counts, the length goes, and so does the connection.
            _without_length(head)
            head.last = True
        elif Quirk.CONTENT_LENGTH_MISMATCH in quirks and head.framing is Framing.LENGTH and head.length:
            # The end of the body will tell, whichever comes first: so nothing is promised to the caller.
            _without_length(head)
            head.framing = Framing.CLOSE
        if self._rules.asked_in_1_0 and b"keep-alive" not in head.options:
            head.last = True
        return head


def _without_length(head: ResponseHead) -> None:
    head.has_length = False
    head.length = 0
    head.lines = [line for line in head.lines if line[0].lower() != b"content-length"]
