"""HTTP behaviours over TLS 1.0, with Python's own TLS."""

import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from socket import socket

from broker.testing.contexts import server_context
from broker.testing.legacy_tls import http, identities, loopback
from broker.testing.legacy_tls.case import Case, Serve, Served
from broker.testing.legacy_tls.http import Plain, Reply, Request, Stream, converse, reply

_LEGACY = {"profile": "legacy"}
_IDLE = 30
_GOODBYE = 1


def tls10(talk: Callable[[Stream], None], *, host: str = "127.0.0.1", body: bytes, status: int, path: str) -> Serve:
    """A TLS 1.0 server that talks like this."""

    @contextmanager
    def serve(directory: Path) -> Iterator[Served]:
        identity = identities.issued()()
        context = server_context(identity, minimum=ssl.TLSVersion.TLSv1, maximum=ssl.TLSVersion.TLSv1)

        def handle(connection: socket) -> None:
            # A duplicate, for wrapping takes the socket away from who can end it from outside.
            raw = connection.dup()
            raw.settimeout(_IDLE)
            with context.wrap_socket(raw, server_side=True) as tls:
                talk(Plain(tls))
                tls.settimeout(_GOODBYE)
                with suppress(OSError):
                    tls.unwrap()

        with loopback.serving(handle, host) as port:
            ca = identities.root(directory, identity)
            yield Served(host, port, body, ca, identity.sha256, _LEGACY, path, status)

    return serve


def _basic(request: Request) -> Reply:
    return reply(request, "401 Unauthorized", b"Access is denied.", 'WWW-Authenticate: Basic realm="warehouse"')


def _ntlm(request: Request) -> Reply:
    fields = ("WWW-Authenticate: Negotiate", "WWW-Authenticate: NTLM", "Server: Microsoft-IIS/6.0")
    return reply(request, "401 Unauthorized", b"Access is denied.", *fields)


def _wsdl(request: Request) -> Reply:
    if not request.target.lower().endswith("?wsdl"):
        return reply(request, "200 OK", http.BODY, "Server: Microsoft-IIS/6.0", "X-AspNet-Version: 1.1.4322")
    content = b'<definitions xmlns="http://schemas.xmlsoap.org/wsdl/" targetNamespace="http://www.contoso.net/"/>'
    return reply(request, "200 OK", content, "Content-Type: text/xml")


def _http_1_0(request: Request) -> Reply:
    head = b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\n"
    return Reply(head if request.method == "HEAD" else head + http.BODY)


def _no_expect(request: Request) -> Reply:
    if "expect" in request.headers:
        return Reply(reply(request, "417 Expectation Failed", b"", keep=False).data, early=True)
    return reply(request)


def _no_chunks(request: Request) -> Reply:
    if "transfer-encoding" in request.headers:
        return Reply(reply(request, "411 Length Required", b"", keep=False).data, early=True)
    return reply(request)


def _bare_lf(request: Request) -> Reply:
    given = reply(request)
    head, _, body = given.data.partition(b"\r\n\r\n")
    return Reply(head.replace(b"\r\n", b"\n") + b"\n\n" + body, given.keep)


def answering(answer: http.Answer) -> Callable[[Stream], None]:
    """A talk in HTTP."""
    return lambda stream: converse(stream, answer)


def _case(
    name: str, title: str, answer: http.Answer, body: bytes = http.BODY, status: int = 200, path: str = "/"
) -> Case:
    return Case(name, title, tls10(answering(answer), body=body, status=status, path=path), group="http")


def _smtp(stream: Stream) -> None:
    stream.write(b"220 mail.contoso.net ESMTP ready\r\n")
    while stream.read():
        stream.write(b"500 5.5.1 Command unrecognized\r\n")


CASES = (
    _case("http-basic", "401, asks for Basic", _basic, b"Access is denied.", 401),
    _case("http-ntlm", "401, asks for Negotiate or NTLM", _ntlm, b"Access is denied.", 401),
    _case("http-wsdl", "a WSDL at ?wsdl", _wsdl, b"definitions", path="/Services/StockQuote.asmx?wsdl"),
    _case("http-1.0", "HTTP/1.0: an answer ends with the connection", _http_1_0),
    _case("http-417", "417 to Expect", _no_expect),
    _case("http-411", "411 to a chunked body", _no_chunks),
    _case("http-bare-lf", "header lines end with LF alone", _bare_lf),
    Case(
        "ipv6",
        "HTTPS on [::1]",
        tls10(answering(reply), host="::1", body=http.BODY, status=200, path="/"),
        group="http",
    ),
    Case("smtp-over-tls", "TLS 1.0, and SMTP inside", tls10(_smtp, body=b"", status=0, path="/"), group="oddity"),
)
