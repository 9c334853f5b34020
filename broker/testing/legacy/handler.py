"""One connection of the legacy endpoint, on http.server."""

import re
import ssl
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING

from broker.testing.legacy.body import BodyError, declared_length, read_body
from broker.testing.legacy.message import Reply, Request

if TYPE_CHECKING:
    from broker.testing.legacy.endpoint import ThreadedServer

_HOST = re.compile(r"[A-Za-z0-9.\-]+(:\d+)?|\[[0-9A-Fa-f:.]+\](:\d+)?")
_MOST_UNREAD = 16 * 1024 * 1024


class Handler(BaseHTTPRequestHandler):
    """Reads requests, hands them to the service, writes its replies; keeps the connection alive."""

    protocol_version = "HTTP/1.1"
    server_version = "Microsoft-IIS/6.0"
    sys_version = ""
    disable_nagle_algorithm = True
    wbufsize = -1
    server: "ThreadedServer"

    def setup(self) -> None:
        """Shake hands here, in the connection's own thread, so that a silent peer delays nobody."""
        self.request.settimeout(self.server.idle)
        if isinstance(self.request, ssl.SSLSocket):
            self.request.do_handshake()
            self.server.note_handshake(self.request.version() or "", self.request.cipher())
        super().setup()

    def handle_expect_100(self) -> bool:
        """Ask for the body, unless its declared length is refused already."""
        if self._declared_too_large():
            self._refuse(BodyError(413))
            return False
        proceed = super().handle_expect_100()
        self.wfile.flush()
        return proceed

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Stay silent: the broker is what is being shown."""

    def _declared_too_large(self) -> bool:
        try:
            return (declared_length(self.headers) or 0) > self.server.max_body
        except BodyError:
            return False

    def _serve(self) -> None:
        try:
            body = read_body(self.rfile, self.headers, self.server.max_body)
        except BodyError as error:
            self._refuse(error)
            return
        request = self._request(body)
        self.server.calls.append(request)
        self._send(self.server.service.answer(request))

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _serve  # noqa: N815

    def _request(self, body: bytes) -> Request:
        headers = {name.lower(): value for name, value in self.headers.items()}
        host = headers.get("host", "")
        if not _HOST.fullmatch(host):
            host = f"localhost:{self.server.server_address[1]}"
        scheme = "https" if isinstance(self.request, ssl.SSLSocket) else "http"
        return Request(self.command, self.path, headers, body, f"{scheme}://{host}")

    def _refuse(self, error: BodyError) -> None:
        """Answer and close, but read on a little first, lest the answer be lost to a reset."""
        self.close_connection = True
        self._send(Reply(error.status, f"{HTTPStatus(error.status).phrase}\n".encode()))
        self.request.settimeout(1)
        unread = _MOST_UNREAD
        while unread > 0 and (data := self.rfile.read1(65536)):
            unread -= len(data)

    def _send(self, reply: Reply) -> None:
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", reply.content_type)
        self.send_header("Content-Length", str(len(reply.body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(reply.body)
        self.wfile.flush()
