"""The beginning of a SOAP body, altered: bytes in, bytes out."""

from collections.abc import Callable
from typing import Final

from broker.credentials.wsse_layout import NO_XML, EnvelopeError, Layout, Tag
from broker.credentials.wsse_multipart import RootPart, is_multipart, plain_charset
from broker.credentials.wsse_scan import Scanner

MOST: Final = 256 * 1024
"""Bytes within which the Body of an envelope has to begin."""
_LEAST: Final = 4
"""Bytes that tell a byte order mark, or a compressed body."""
_GZIP: Final = b"\x1f\x8b"

Header = Callable[[Layout], str | None]
"""What to put into the envelope, in ASCII; None to leave it as it came. Raises `EnvelopeError`."""


class Opening:
    """Collects the beginning of a body until the header can be put in."""

    def __init__(self, content_type: bytes, header: Header, stale: Callable[[Layout], list[Tag]]) -> None:
        """`stale`: which elements the header takes the place of."""
        self._header = header
        self._stale = stale
        self._data = bytearray()
        self._root = RootPart(content_type) if is_multipart(content_type) else None
        self._scanner: Scanner | None = None if self._root is not None else Scanner(plain_charset(content_type))
        self._base = 0
        self._scanned = 0
        self.delta = 0
        """How many bytes the body grew by."""

    def feed(self, data: bytes, *, last: bool = False) -> bytes | None:
        """All that came so far, altered, once that can be done; raises `EnvelopeError`."""
        self._data += data
        if len(self._data) < _LEAST and not last:
            return None
        fresh = min(len(self._data), MOST) - self._scanned
        # A parser begins an unfinished tag anew with each piece: with pieces that grow, that stays linear.
        if not last and fresh * 16 < self._scanned + fresh and self._scanned + fresh < MOST:
            return None
        if self._data.startswith(_GZIP):
            raise EnvelopeError("The body is compressed (gzip); send it without a Content-Encoding.")
        if not self._scan(last and len(self._data) <= MOST):
            return None
        return self._altered()

    def _scan(self, last: bool) -> bool:
        """Whether all is known; raises `EnvelopeError` when it will never be."""
        if self._scanner is None:
            self._begin(last)
        if self._scanner is not None:
            begin, self._scanned = max(self._scanned, self._base), min(len(self._data), MOST)
            if self._scanner.feed(bytes(self._data[begin : self._scanned]), last=last):
                return True
        if last:
            raise EnvelopeError(NO_XML)
        if len(self._data) < MOST:
            return False
        if self._scanner is None or self._scanner.layout.body < 0:
            raise EnvelopeError(f"The Body of the envelope does not begin within its first {MOST >> 10} KiB.")
        # What the Body holds begins with something very long; it is no EncryptedData.
        self._scanner.close()
        return True

    def _begin(self, last: bool) -> None:
        assert self._root is not None  # noqa: S101 - without it there was a scanner from the start
        found = self._root.find(bytes(self._data[:MOST]), last=last)
        if found is not None:
            self._base, charset = found
            self._scanner = Scanner(charset)

    def _altered(self) -> bytes:
        assert self._scanner is not None  # noqa: S101 - it has just finished
        layout, data = self._scanner.layout, self._data
        text = self._header(layout)
        if text is None:
            return bytes(data)
        if layout.protected:
            raise EnvelopeError(
                f"The envelope is {layout.protected}, and a WS-Security header put into it would spoil that. Send it "
                "without, or have the route keep the header that comes with it (existing: keep)."
            )
        before = len(data)
        for begin, end, new in sorted(self._edits(layout, text), reverse=True):
            data[self._base + begin : self._base + end] = new.encode(layout.codec)
        self.delta = len(data) - before
        return bytes(data)

    def _edits(self, layout: Layout, text: str) -> list[tuple[int, int, str]]:
        """(begin, end, replacement); they do not overlap."""
        edits = [(tag.start, tag.end, "") for tag in self._stale(layout)]
        if layout.header is None:
            name = _qualified(layout.prefix)
            return [(layout.body, layout.body, f"<{name}>{text}</{name}>")]
        end = layout.header.end
        if not layout.header.empty:
            return [(end, end, text), *edits]
        mark = len("/>".encode(layout.codec))
        return [(end - mark, end, f">{text}</{_qualified(layout.header.prefix)}>")]


def _qualified(prefix: str) -> str:
    if not prefix.isascii():
        raise EnvelopeError("The envelope's namespace has a prefix that is not ASCII; use another one.")
    return f"{prefix}:Header" if prefix else "Header"
