"""Header lines put right before llhttp reads them, where an upstream's quirks ask for it.

llhttp's own leniency about headers is one switch for three of these quirks: it would pass control characters on as they
are, and know blanks before the colon only in fields that it understands. What stands here instead is what RFC 9110 and
RFC 9112 tell a proxy to do with such lines; what is not mended, llhttp refuses as it does everywhere.
"""

import re
from collections.abc import Callable
from typing import Final

from broker.core.quirks import Quirk, Quirks
from broker.http1.errors import ProtocolError

_END: Final = re.compile(rb"\n\r?\n")
_FOLD: Final = re.compile(rb"\r\n[ \t]+")
_FOLD_LF: Final = re.compile(rb"\r?\n[ \t]+")
_NAME: Final = re.compile(rb"^([!#$%&'*+.^_`|~0-9A-Za-z-]+)[ \t]+:", re.MULTILINE)
_CONTROLS: Final = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\r(?!\n)")
_LENGTH: Final = re.compile(rb"^(content-length:)([^\r\n]*)(\r?\n)", re.MULTILINE | re.IGNORECASE)

Mend = Callable[[bytes], bytes]


def mends_of(quirks: Quirks) -> list[Mend]:
    """What is done to the header lines, in this order: names are looked at once lines are whole."""
    fold = _FOLD_LF if Quirk.BARE_LF in quirks else _FOLD
    known: list[tuple[Quirk, Mend]] = [
        # RFC 9112 section 5.2: one blank for each fold.
        (Quirk.OBS_FOLD, lambda lines: fold.sub(b" ", lines)),
        # RFC 9112 section 5.1: a proxy removes them.
        (Quirk.HEADER_NAME_SPACES, lambda lines: _NAME.sub(rb"\1:", lines)),
        # RFC 9110 section 5.5: refused, or a blank for each.
        (Quirk.INVALID_HEADER_CHARS, lambda lines: _CONTROLS.sub(b" ", lines)),
        (Quirk.DUPLICATE_CONTENT_LENGTH, _one_length),
    ]
    return [mend for quirk, mend in known if quirk in quirks]


def _one_length(lines: bytes) -> bytes:
    """RFC 9110 section 8.6: lengths that are all the same become one; any others stay, and are refused."""
    said = [part.strip(b" \t") for found in _LENGTH.finditer(lines) for part in found[2].split(b",")]
    if len(said) < 2 or not said[0].isdigit() or any(part != said[0] for part in said):
        return lines
    first = True

    def once(found: re.Match[bytes]) -> bytes:
        nonlocal first
        kept = b"%b %b%b" % (found[1], said[0], found[3]) if first else b""
        first = False
        return kept

    return _LENGTH.sub(once, lines)


class Mender:
    """Holds the header lines of a head back until they are all there; lets everything else through at once."""

    def __init__(self, mends: list[Mend], most: int) -> None:
        """`most`: bytes of header lines above which a head is refused."""
        self._mends = mends
        self._most = most
        self._lines = bytearray()
        self._begun = False
        self._over = False
        self.in_body = False
        """Whether the head is over."""

    def begin(self) -> None:
        """A new head starts."""
        self._lines.clear()
        self._begun = self._over = self.in_body = False

    def take(self, data: bytes) -> tuple[bytes, bytes]:
        """(what llhttp may read now, what comes behind it); raises `ProtocolError` when the lines are too long."""
        if self.in_body:
            return data, b""
        if not self._over:
            # What is no answer fails at its first byte, and not after the wait for the end of its header lines.
            return self._status_line(data)
        known = len(self._lines)
        self._lines += data
        end = self._end(max(0, known - 2))
        if end < 0:
            if len(self._lines) > self._most:
                raise ProtocolError("the answer's header section is too large")
            return b"", b""
        rest = data[end - known :]
        del self._lines[end:]
        self.in_body = True
        return self.flush(), rest

    def flush(self) -> bytes:
        """The lines that are held back, mended."""
        lines = bytes(self._lines)
        self._lines.clear()
        for mend in self._mends:
            lines = mend(lines)
        return lines

    def _status_line(self, data: bytes) -> tuple[bytes, bytes]:
        # Blank lines before it are none of its own.
        start = 0 if self._begun else len(data) - len(data.lstrip(b"\r\n"))
        self._begun = start < len(data)
        end = data.find(b"\n", start)
        if end < 0:
            return data, b""
        self._over = True
        return data[: end + 1], data[end + 1 :]

    def _end(self, start: int) -> int:
        """Where the blank line behind the header lines ends, or -1."""
        for blank in (b"\r\n", b"\n"):
            if self._lines.startswith(blank):
                return len(blank)
        found = _END.search(self._lines, start)
        return found.end() if found else -1
