"""Which lines of a head have a meaning here: framing and connection (RFC 9112 section 6), and what is asked often."""

from typing import Final

from broker.core.heads import NO_OPTIONS
from broker.core.message import LONGEST_REMEMBERED, Line, connection_options
from broker.http1.errors import ProtocolError


class _Kinds(dict[bytes, int]):
    """Raw field name → what the framing code cares about; filled as names are seen, bounded."""

    _MOST: Final = 4096

    def __missing__(self, name: bytes) -> int:
        kind = _BY_NAME.get(name.lower(), 0)
        if len(self) < self._MOST and len(name) <= LONGEST_REMEMBERED:
            self[name] = kind
        return kind


HOST, LENGTH, CODING, CONNECTION, EXPECT, CONTENT_TYPE, SOAP_ACTION, REQUEST_ID, AUTHORIZATION = range(1, 10)
_BY_NAME: Final = {
    b"host": HOST,
    b"content-length": LENGTH,
    b"transfer-encoding": CODING,
    b"connection": CONNECTION,
    b"expect": EXPECT,
    b"content-type": CONTENT_TYPE,
    b"soapaction": SOAP_ACTION,
    b"x-request-id": REQUEST_ID,
    b"authorization": AUTHORIZATION,
}
_kinds: Final = _Kinds()


Fields = dict[int, list[bytes]]
"""The values of the lines that decide about framing, routing and the connection, by kind."""


def sort_lines(lines: list[Line]) -> Fields:
    """Pick out the lines that the wire engine itself has to understand."""
    fields: Fields = {}
    kinds = _kinds
    for name, value in lines:
        kind = kinds[name]
        if kind:
            fields.setdefault(kind, []).append(value)
    return fields


def options_of(fields: Fields) -> frozenset[bytes]:
    """The connection options, cheaply where there are none."""
    values = fields.get(CONNECTION)
    return connection_options(values) if values else NO_OPTIONS


def is_chunked(codings: list[bytes] | None) -> bool:
    """Whether the body is chunked; any other coding, or a disguised one, is an error (RFC 9112 section 6.1)."""
    if not codings:
        return False
    if len(codings) > 1 or codings[0].lower() != b"chunked":
        raise ProtocolError("Transfer-Encoding must be exactly `chunked`")
    return True
