"""Where things stand in a SOAP envelope, found by a real XML parser that reads no further than it must."""

import codecs
from typing import Any, Final
from xml.parsers import expat

from broker.credentials.wsse_layout import (
    ACTOR,
    DOCTYPE,
    ENCODING,
    NO_ENVELOPE,
    NO_XML,
    WSSE,
    EnvelopeError,
    Layout,
    SecurityHeader,
    Tag,
    plain_actor,
)

_WSSE_11: Final = "http://docs.oasis-open.org/wss/oasis-wss-wssecurity-secext-1.1.xsd"
_XMLENC: Final = "http://www.w3.org/2001/04/xmlenc#"
_SIGNATURE: Final = ("http://www.w3.org/2000/09/xmldsig#", "Signature")
_ENCRYPTED: Final = frozenset(
    {(_XMLENC, "EncryptedData"), (_XMLENC, "EncryptedKey"), (_XMLENC, "ReferenceList"), (_WSSE_11, "EncryptedHeader")}
)
_BOMS: Final = (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_UNKNOWN: Final = (expat.errors.XML_ERROR_UNKNOWN_ENCODING, expat.errors.XML_ERROR_INCORRECT_ENCODING)


class _Found(Exception):
    """The parser has seen all that it has to."""


class Scanner:
    """Takes the beginning of a document, in order, until its layout is known."""

    def __init__(self, charset: str = "") -> None:
        """`charset`: as Content-Type names it; a byte order mark counts before it (RFC 7303 section 3)."""
        self.layout = Layout()
        self._finished = False
        self._charset = charset
        self._data = bytearray()
        self._parser: Any = None
        self._depth = 0
        self._inside = ""
        self._security: SecurityHeader | None = None
        self._ending: Tag | None = None
        self._started = False

    def feed(self, data: bytes, *, last: bool = False) -> bool:
        """More of the document; whether the layout is complete. Raises `EnvelopeError`."""
        self._data += data
        try:
            self._parse(data, last)
        except BaseException:
            self.close()
            raise
        if self._finished:
            self.close()
        return self._finished

    def close(self) -> None:
        """Let go of the parser, which holds this object in turn."""
        self._parser = None

    def _parse(self, data: bytes, last: bool) -> None:
        try:
            if self._parser is None:
                if len(self._data) < 4 and not last:
                    return
                self._parser, data = self._create(), bytes(self._data)
            self._parser.Parse(data, last)
        except _Found:
            self._finished = True
        except expat.ExpatError as error:
            raise EnvelopeError(ENCODING if expat.ErrorString(error.code) in _UNKNOWN else NO_XML) from None
        except (ValueError, LookupError):
            # What the codecs say to an encoding that is unknown, or not of one byte for each character.
            raise EnvelopeError(ENCODING) from None

    def _create(self) -> Any:
        known = self._charset and not self._data.startswith(_BOMS)
        encoding = codecs.lookup(self._charset).name if known else None
        if encoding is not None and encoding.startswith("utf-16"):
            # Python and Expat spell it differently; the first bytes tell it as well.
            encoding = None
        parser = expat.ParserCreate(encoding, "\n")
        parser.namespace_prefixes = True
        parser.StartElementHandler = self._on_start
        parser.EndElementHandler = self._on_end
        parser.DefaultHandler = self._on_other
        parser.StartDoctypeDeclHandler = self._on_doctype
        if hasattr(parser, "SetReparseDeferralEnabled"):
            # Whoever feeds this waits with small pieces already; Expat's own waiting would only hide what has come.
            parser.SetReparseDeferralEnabled(False)
        return parser

    # What the parser tells. The place of each event is where the tag before it ends.

    def _place(self) -> int:
        at = int(self._parser.CurrentByteIndex)
        if self._ending is not None:
            self._ending.end = at
            self._ending = None
        return at

    def _on_other(self, _: str) -> None:
        self._place()
        self._started = False

    def _on_doctype(self, *_: object) -> None:
        raise EnvelopeError(DOCTYPE)

    def _on_start(self, name: str, attributes: dict[str, str]) -> None:
        at = self._place()
        space, local, prefix = _parts(name)
        self._depth += 1
        self._started = True
        if self._depth == 1:
            self._on_root(space, local, prefix, at)
        elif self._depth == 2:
            self._on_child(space, local, prefix, at)
        elif self._depth == 3:
            self._on_grandchild((space, local), attributes, at)
        elif self._depth == 4 and self._security is not None:
            self._note((space, local))

    def _on_root(self, space: str, local: str, prefix: str, at: int) -> None:
        if local != "Envelope" or space not in ACTOR:
            raise EnvelopeError(NO_ENVELOPE)
        self.layout.soap, self.layout.prefix = space, prefix
        first = bytes(self._data[at : at + 2])
        self.layout.codec = {b"<\0": "utf-16-le", b"\0<": "utf-16-be"}.get(first, "ascii")

    def _on_child(self, space: str, local: str, prefix: str, at: int) -> None:
        ours = space == self.layout.soap
        if ours and local == "Header" and self.layout.header is None:
            self._ending = self.layout.header = Tag(at, prefix=prefix)
        elif ours and local == "Body":
            self.layout.body = at
        else:
            raise EnvelopeError(NO_ENVELOPE)
        self._inside = local

    def _on_grandchild(self, name: tuple[str, str], attributes: dict[str, str], at: int) -> None:
        if name in _ENCRYPTED:
            self.layout.protected = "encrypted"
        if self._inside == "Body":
            raise _Found
        if name == (WSSE, "Security"):
            wanted = (self.layout.soap, ACTOR[self.layout.soap])
            actor = next((value for key, value in attributes.items() if _parts(key)[:2] == wanted), "")
            self._security = SecurityHeader(Tag(at), plain_actor(actor))
            self.layout.securities.append(self._security)

    def _note(self, name: tuple[str, str]) -> None:
        if name in _ENCRYPTED:
            self.layout.protected = "encrypted"
        elif name == _SIGNATURE:
            self.layout.protected = self.layout.protected or "signed"

    def _on_end(self, _: str) -> None:
        at = self._place()
        empty = self._started and self._data[max(0, at - 4) : at].endswith("/>".encode(self.layout.codec))
        self._started = False
        self._depth -= 1
        if self._depth == 2 and self._security is not None:
            if empty:
                self._security.tag.end = at
            else:
                self._ending = self._security.tag
            self._security = None
        elif self._depth == 1 and self._inside == "Header" and self.layout.header is not None:
            self.layout.header.empty = empty
        elif self._depth == 1:
            raise _Found
        elif self._depth == 0:
            raise EnvelopeError(NO_ENVELOPE)


def _parts(name: str) -> tuple[str, str, str]:
    """(namespace, local name, prefix) of what the parser gives."""
    parts = name.split("\n")
    if len(parts) == 1:
        return "", parts[0], ""
    return parts[0], parts[1], parts[2] if len(parts) > 2 else ""
