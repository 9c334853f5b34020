"""The envelope within `multipart/related`: attachments, and what MTOM makes of large values."""

from email.message import Message
from email.parser import BytesHeaderParser
from typing import Final

from broker.credentials.wsse_layout import EnvelopeError

_HEADERS_MOST: Final = 16 * 1024
_XML: Final = frozenset({"application/xop+xml", "application/soap+xml", "application/xml", "text/xml"})
_AS_IS: Final = frozenset({"", "7bit", "8bit", "binary"})
_WAY_OUT: Final = "the envelope has to be the first part, as it is"


def is_multipart(content_type: bytes) -> bool:
    """Whether the body is of several parts."""
    return _message(content_type).get_content_maintype() == "multipart"


def plain_charset(content_type: bytes) -> str:
    """The charset that a Content-Type names, or empty."""
    return _message(content_type).get_content_charset() or "" if content_type else ""


class RootPart:
    """Finds the envelope in a body of several parts (RFC 2387)."""

    def __init__(self, content_type: bytes) -> None:
        message = _message(content_type)
        boundary = message.get_boundary()
        if message.get_content_subtype() != "related" or not boundary:
            raise EnvelopeError("The body is of several parts, but not multipart/related with a boundary.")
        self._delimiter = b"--" + boundary.encode("latin-1", "replace")
        self._start = str(message.get_param("start") or "").strip()

    def find(self, data: bytes, *, last: bool) -> tuple[int, str] | None:
        """(where the envelope begins, its charset); None when more has to come. Raises `EnvelopeError`."""
        begin = 2 if data.startswith(b"\r\n") else 0
        wanted = self._delimiter[: len(data) - begin]
        if not data.startswith(wanted, begin):
            raise EnvelopeError("The body of several parts does not begin with its boundary.")
        end = data.find(b"\r\n\r\n", 0, _HEADERS_MOST)
        if end < 0:
            if last or len(data) >= _HEADERS_MOST:
                raise EnvelopeError("The body of several parts has no first part.")
            return None
        line, _, fields = data[begin : end + 2].partition(b"\r\n")
        if line.rstrip(b" \t") != self._delimiter:
            raise EnvelopeError("The body of several parts does not begin with its boundary.")
        return end + 4, self._checked(BytesHeaderParser().parsebytes(fields))

    def _checked(self, part: Message) -> str:
        """The charset of a part that is an envelope; raises `EnvelopeError`."""
        if self._start and str(part.get("Content-ID", "")).strip() != self._start:
            raise EnvelopeError(f"The envelope is not the first of the parts; {_WAY_OUT}.")
        if part.get_content_type() not in _XML:
            raise EnvelopeError(f"The first of the parts is no XML; {_WAY_OUT}.")
        if str(part.get("Content-Transfer-Encoding", "")).strip().lower() not in _AS_IS:
            raise EnvelopeError(f"The first of the parts is encoded for transfer; {_WAY_OUT}.")
        return part.get_content_charset() or ""


def _message(content_type: bytes) -> Message:
    message: Message = Message()
    message["Content-Type"] = content_type.decode("latin-1")
    return message
