"""The one place where an error becomes an answer: problem+json (RFC 9457), or a SOAP fault of the caller's version."""

import json
import re
from email.utils import formatdate
from xml.sax.saxutils import escape as escape_markup

from broker.core.errors import BrokerError, Source
from broker.core.exchange import Exchange
from broker.core.heads import RequestHead
from broker.rewrite.response import connection_line

_REASONS = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    409: "Conflict",
    413: "Content Too Large",
    414: "URI Too Long",
    421: "Misdirected Request",
    422: "Unprocessable Content",
    429: "Too Many Requests",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
    505: "HTTP Version Not Supported",
}

_NOT_XML = re.compile("[^\\t\\n\\r\\x20-\\ud7ff\\ue000-\\ufffd\\U00010000-\\U0010ffff]")
"""Characters that no XML document may hold (XML 1.0 section 2.2)."""

_SOAP11 = """<?xml version="1.0" encoding="utf-8"?>
<soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/"><soap:Body><soap:Fault>\
<faultcode>soap:{role}</faultcode><faultstring xml:lang="en">{title}: {detail}</faultstring>\
<detail>{problem}</detail></soap:Fault></soap:Body></soap:Envelope>"""

_SOAP12 = """<?xml version="1.0" encoding="utf-8"?>
<soap:Envelope xmlns:soap="http://www.w3.org/2003/05/soap-envelope"><soap:Body><soap:Fault>\
<soap:Code><soap:Value>soap:{role}</soap:Value></soap:Code>\
<soap:Reason><soap:Text xml:lang="en">{title}: {detail}</soap:Text></soap:Reason>\
<soap:Detail>{problem}</soap:Detail></soap:Fault></soap:Body></soap:Envelope>"""


def escape(text: str) -> str:
    """Any text as character data of XML."""
    return escape_markup(_NOT_XML.sub("\ufffd", text))


def soap_version(head: RequestHead) -> str | None:
    """`1.1`, `1.2` or None: which SOAP the caller speaks (SOAP 1.1 section 6.1.1, RFC 3902)."""
    if head.content_type and head.content_type.partition(b";")[0].strip().lower() == b"application/soap+xml":
        return "1.2"
    return "1.1" if head.soap_action is not None else None


def render(exchange: Exchange, error: BrokerError) -> None:
    """Answer with the error; where an answer has begun, that is up to the caller's side to break off."""
    exchange.code, exchange.status = error.code, error.status
    kind, text = _represent(exchange, error)
    body = text.encode()
    lines = [
        f"HTTP/1.1 {error.status} {_REASONS[error.status]}",
        f"Date: {formatdate(usegmt=True)}",
        f"Content-Type: {kind}",
        f"Content-Length: {len(body)}",
        "Cache-Control: no-store",
        f"Broker-Error: {error.code}",
        f"X-Request-Id: {exchange.request_id}",
        *(f"{name}: {value}" for name, value in error.headers),
    ]
    head = "\r\n".join(lines).encode("latin-1") + b"\r\n" + b"".join(connection_line(exchange)) + b"\r\n"
    exchange.caller_side.reply(exchange, head, b"" if exchange.head.method == b"HEAD" else body)


def _represent(exchange: Exchange, error: BrokerError) -> tuple[str, str]:
    problem = {
        "type": f"urn:broker:error:{error.code}",
        "title": error.kind.title,
        "status": error.status,
        "detail": error.detail,
        "code": error.code,
        "request_id": exchange.request_id,
        "route": exchange.plan.name if exchange.plan is not None else None,
    }
    version = soap_version(exchange.head)
    if version is None:
        return "application/problem+json", json.dumps(problem)
    template, kind = (_SOAP12, "application/soap+xml") if version == "1.2" else (_SOAP11, "text/xml")
    ours = error.kind.source is Source.CALLER
    role = ("Sender" if ours else "Receiver") if version == "1.2" else ("Client" if ours else "Server")
    return f"{kind}; charset=utf-8", template.format(
        role=role, title=escape(error.kind.title), detail=escape(error.detail), problem=_problem_xml(problem)
    )


def _problem_xml(problem: dict[str, object]) -> str:
    """The same members as XML (RFC 9457 appendix B)."""
    members = "".join(f"<{name}>{escape(str(value))}</{name}>" for name, value in problem.items() if value is not None)
    return f'<problem xmlns="urn:ietf:rfc:7807">{members}</problem>'
