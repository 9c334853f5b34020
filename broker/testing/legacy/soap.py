"""The endpoint's SOAP service: GetQuote, in SOAP 1.1 and 1.2, with faults and a WSDL."""

import re
from dataclasses import dataclass
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

from broker.testing.legacy.message import Reply, Request, method_not_allowed
from broker.testing.legacy.wsdl import wsdl

PATH = "/Services/StockQuote.asmx"
NAMESPACE = "http://www.contoso.net/"
ACTION = NAMESPACE + "GetQuote"
PRICES = {"MSFT": "412.35", "CONTOSO": "27.10", "FABRIKAM": "8.85"}


class _FaultError(Exception):
    """The request is at fault, for the reason given."""


@dataclass(frozen=True)
class _Version:
    namespace: str
    content_type: str
    fault: str
    fault_status: int

    def reply(self, status: int, content: str) -> Reply:
        body = (
            '<?xml version="1.0" encoding="utf-8"?>'
            f'<soap:Envelope xmlns:soap="{self.namespace}"><soap:Body>{content}</soap:Body></soap:Envelope>'
        )
        return Reply(status, body.encode(), f"{self.content_type}; charset=utf-8")


_SOAP_11 = _Version(
    "http://schemas.xmlsoap.org/soap/envelope/",
    "text/xml",
    "<soap:Fault><faultcode>soap:Client</faultcode><faultstring>{}</faultstring><detail/></soap:Fault>",
    500,
)
_SOAP_12 = _Version(
    "http://www.w3.org/2003/05/soap-envelope",
    "application/soap+xml",
    "<soap:Fault><soap:Code><soap:Value>soap:Sender</soap:Value></soap:Code>"
    '<soap:Reason><soap:Text xml:lang="en">{}</soap:Text></soap:Reason></soap:Fault>',
    400,
)
_VERSIONS = {version.content_type: version for version in (_SOAP_11, _SOAP_12)}


def answer(request: Request) -> Reply:
    """Answer a request for the service."""
    if request.method in ("GET", "HEAD"):
        return _describe(request)
    if request.method != "POST":
        return method_not_allowed("GET", "HEAD", "POST")
    version = _VERSIONS.get(request.header("content-type").partition(";")[0].strip().lower())
    if version is None:
        return Reply(415, b"text/xml or application/soap+xml is needed.\n")
    try:
        return version.reply(200, _quote(request, version))
    except _FaultError as fault:
        return version.reply(version.fault_status, version.fault.format(escape(str(fault))))


def _describe(request: Request) -> Reply:
    if "wsdl" in request.query:
        content = wsdl(request.base_url + PATH, NAMESPACE)
        return Reply(200, content.encode(), "text/xml; charset=utf-8")
    return Reply(200, b"<html><body>StockQuote: GetQuote</body></html>\n", "text/html; charset=utf-8")


def _quote(request: Request, version: _Version) -> str:
    action = _action(request, version)
    if action != ACTION:
        raise _FaultError(f"Server did not recognize the value of HTTP Header SOAPAction: {_shown(action)}.")
    symbol = _symbol(request.body, version)
    if symbol not in PRICES:
        raise _FaultError(f"Unknown symbol: {_shown(symbol)}")
    result = f"<symbol>{symbol}</symbol><price>{PRICES[symbol]}</price>"
    return f'<GetQuoteResponse xmlns="{NAMESPACE}">{result}</GetQuoteResponse>'


def _action(request: Request, version: _Version) -> str:
    if version is _SOAP_11:
        return request.header("soapaction").strip().strip('"')
    found = re.search(r';\s*action="?([^";]*)"?', request.header("content-type"), re.IGNORECASE)
    return found[1] if found else ACTION


def _shown(text: str) -> str:
    return "".join(character for character in text[:200] if character.isprintable())


def _symbol(body: bytes, version: _Version) -> str:
    if b"<!DOCTYPE" in body:
        raise _FaultError("A document type is not accepted.")
    try:
        envelope = ET.fromstring(body)
    except (ET.ParseError, ValueError, LookupError):
        raise _FaultError("The body is not well-formed XML.") from None
    path = f"{{{version.namespace}}}Body/{{{NAMESPACE}}}GetQuote/{{{NAMESPACE}}}symbol"
    if envelope.tag != f"{{{version.namespace}}}Envelope" or (text := envelope.findtext(path)) is None:
        raise _FaultError("An envelope with GetQuote and its symbol is needed.")
    return text.strip()


def envelope(symbol: str, *, soap12: bool = False) -> bytes:
    """A GetQuote request's body, for clients."""
    version = _SOAP_12 if soap12 else _SOAP_11
    content = f'<GetQuote xmlns="{NAMESPACE}"><symbol>{escape(symbol)}</symbol></GetQuote>'
    return version.reply(200, content).body
