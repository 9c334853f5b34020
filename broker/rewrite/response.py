"""The head that goes back to the caller: the upstream's lines as they came, framed for this hop."""

from broker.core.exchange import Exchange
from broker.core.heads import Framing, ResponseHead
from broker.core.message import HOP_BY_HOP, named_for_removal
from broker.rewrite.names import Prefixes

_CRLF = b"\r\n"
_REQUEST_ID = b"x-request-id"
_prefixes = Prefixes(lambda name: name.lower() not in HOP_BY_HOP and name.lower() != _REQUEST_ID)


def answer_head(exchange: Exchange, answer: ResponseHead) -> tuple[bytes, bool]:
    """(head, whether the body must be chunked) for the caller; may decide that the connection ends with it."""
    out = [b"HTTP/1.1 %d %b\r\n" % (answer.status, answer.reason)]
    named = named_for_removal(answer.options) if answer.options else answer.options
    identified = False
    for name, value in answer.lines:
        prefix = _prefixes[name]
        if prefix is None:
            lower = name.lower()
            if lower == _REQUEST_ID:
                identified = True
                out += (name, b": ", value, _CRLF)
            elif lower == b"transfer-encoding" and _stays_chunked(exchange, answer):
                out += (name, b": chunked\r\n")
        elif not named or name.lower() not in named:
            out += (prefix, value, _CRLF)
    chunked = _frame(exchange, answer, out)
    if not identified:
        out += (b"X-Request-Id: ", exchange.request_id.encode(), _CRLF)
    out += connection_line(exchange)
    out.append(_CRLF)
    return b"".join(out), chunked


def _stays_chunked(exchange: Exchange, answer: ResponseHead) -> bool:
    if exchange.head.http10:
        return False
    return answer.framing is Framing.CHUNKED or (answer.chunked and exchange.head.method == b"HEAD")


def _frame(exchange: Exchange, answer: ResponseHead, out: list[bytes]) -> bool:
    """Frame a body whose length is not known: chunked, or by the end of the connection for HTTP/1.0."""
    if answer.framing not in (Framing.CHUNKED, Framing.CLOSE):
        return False
    if exchange.head.http10:
        exchange.close = True
        return False
    if answer.framing is Framing.CLOSE:
        out.append(b"Transfer-Encoding: chunked\r\n")
    return True


def connection_line(exchange: Exchange) -> tuple[bytes, ...]:
    """What the caller must be told about the connection (RFC 9112 section 9.3)."""
    if exchange.caller_side.last or (exchange.body_pending and not exchange.rest_is_short):
        exchange.close = True
    if exchange.close:
        return (b"Connection: close\r\n",)
    return (b"Connection: keep-alive\r\n",) if exchange.head.http10 else ()
