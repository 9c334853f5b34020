"""What is to be known about a SOAP envelope before a header can be put into it."""

from dataclasses import dataclass, field
from typing import Final

SOAP_11: Final = "http://schemas.xmlsoap.org/soap/envelope/"
SOAP_12: Final = "http://www.w3.org/2003/05/soap-envelope"
WSSE: Final = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
ACTOR: Final = {SOAP_11: "actor", SOAP_12: "role"}
"""How a header says whom it is for, by the version of SOAP."""

_LAST: Final = f"{SOAP_12}/role/ultimateReceiver"

NO_ENVELOPE: Final = (
    "The body is no SOAP envelope, so the WS-Security header that the upstream expects has no place in it."
)
NO_XML: Final = (
    "The body is no well-formed XML, so the WS-Security header that the upstream expects has no place in it; "
    "a body with a Content-Encoding has to be sent without one."
)
ENCODING: Final = "The envelope's encoding is not understood here; send it in UTF-8."
DOCTYPE: Final = "The envelope has a document type declaration, which SOAP does not allow."


class EnvelopeError(Exception):
    """A body that cannot be given a header; the message is for the caller."""


@dataclass(slots=True)
class Tag:
    """Where an element is: offsets of its first byte, and of the byte behind it; a Header's `end` is behind its
    start tag."""

    start: int
    end: int = -1
    prefix: str = ""
    empty: bool = False
    """Whether it is written as one tag: `<Header/>`."""


@dataclass(slots=True)
class SecurityHeader:
    """A Security element that came with the envelope."""

    tag: Tag
    actor: str


@dataclass(slots=True)
class Layout:
    """What was found."""

    soap: str = ""
    codec: str = "ascii"
    """How to encode ASCII text into this document."""
    prefix: str = ""
    header: Tag | None = None
    body: int = -1
    """Offset of the Body's start tag."""
    securities: list[SecurityHeader] = field(default_factory=list)
    protected: str = ""
    """`signed` or `encrypted`, where the envelope is."""


def plain_actor(actor: str) -> str:
    """An actor to compare: the ultimate receiver has several names (SOAP 1.2 part 1 section 2.2)."""
    text = actor.strip()
    return "" if text == _LAST else text
