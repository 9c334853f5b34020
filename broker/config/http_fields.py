"""Header names, methods and paths as a route may name them."""

import re
from typing import Annotated, Final

from pydantic import BeforeValidator, WithJsonSchema

from broker.core.message import HOP_BY_HOP

TOKEN: Final = r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$"  # noqa: S105  the grammar of RFC 9110, not a secret
_TOKEN: Final = re.compile(TOKEN.removesuffix("$") + r"\Z")
_PATH: Final = re.compile(r"/(?:[!-\"$&->@-~]|%[0-9A-Fa-f]{2})*\Z")
_ENCODED: Final = re.compile(r"%(2e|2f|5c)", re.IGNORECASE)
_DECODED: Final = {"2e": ".", "2f": "/", "5c": "/"}
_FRAMING: Final = frozenset(name.decode() for name in HOP_BY_HOP) | {"content-length", "host", "expect"}


def parse_header_name(value: object) -> str:
    """A header name as written; raises `ValueError` unless it is a token."""
    if not isinstance(value, str) or not _TOKEN.match(value):
        raise ValueError("expected the name of a header")
    return value


def parse_secret_header(value: object) -> str:
    """A header that may carry a key; raises `ValueError` for one that frames or routes the message."""
    name = parse_header_name(value)
    if name.lower() in _FRAMING:
        raise ValueError("this header steers the connection and cannot carry a key")
    return name


def parse_header_value(value: object) -> str:
    """The text of a header value without outer blanks; raises `ValueError`."""
    if not isinstance(value, str):
        raise ValueError("expected text; put numbers, dates and words such as yes and no in quotes")
    if any(ord(char) < 32 or ord(char) > 126 for char in value):
        raise ValueError("expected printable ASCII, as in a header")
    return value.strip()


def parse_soap_action(value: object) -> str:
    """The action without the quotes that the header wears; raises `ValueError`."""
    text = parse_header_value(value)
    return text[1:-1] if len(text) >= 2 and text[0] == text[-1] == '"' else text


def parse_method(value: object) -> str:
    """A method in upper case; raises `ValueError` for TRACE and CONNECT, which are never forwarded."""
    if not isinstance(value, str) or not _TOKEN.match(value):
        raise ValueError("expected a method such as GET or POST")
    method = value.upper()
    if method in ("TRACE", "CONNECT"):
        raise ValueError(f"{method} is never forwarded")
    return method


def parse_url_path(value: object) -> str:
    """A path as it stands in a request line; raises `ValueError` for one that no request can have."""
    if not isinstance(value, str) or not value.startswith("/"):
        raise ValueError("expected a path that starts with /")
    if "?" in value or "#" in value:
        raise ValueError("a path ends before ? and #: no request would match")
    if not _PATH.match(value):
        raise ValueError("a path holds printable ASCII only, everything else as %XX")
    if _climbs(value):
        raise ValueError("a path with a `..` segment is refused before routing")
    return value


def _climbs(path: str) -> bool:
    plain = _ENCODED.sub(lambda match: _DECODED[match[1].lower()], path).replace("\\", "/")
    return any(segment.partition(";")[0] == ".." for segment in plain.split("/"))


_TOKEN_SCHEMA: Final = WithJsonSchema({"type": "string", "pattern": TOKEN})
_TEXT_SCHEMA: Final = WithJsonSchema({"type": "string", "pattern": "^[ -~]*$"})

HeaderName = Annotated[str, BeforeValidator(parse_header_name), _TOKEN_SCHEMA]
SecretHeader = Annotated[str, BeforeValidator(parse_secret_header), _TOKEN_SCHEMA]
HeaderValue = Annotated[str, BeforeValidator(parse_header_value), _TEXT_SCHEMA]
SoapAction = Annotated[str, BeforeValidator(parse_soap_action), _TEXT_SCHEMA]
Method = Annotated[str, BeforeValidator(parse_method), _TOKEN_SCHEMA]
UrlPath = Annotated[str, BeforeValidator(parse_url_path), WithJsonSchema({"type": "string", "pattern": "^/[!-~]*$"})]
