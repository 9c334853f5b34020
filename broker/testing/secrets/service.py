"""What the look-alikes share: JSON over HTTPS on a thread, and a record of what was asked."""

import json
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from broker.testing.contexts import server_context
from broker.testing.pki import Issued

Answer = tuple[int, dict[str, Any], dict[str, str]]
"""Status, JSON and headers."""


class Asked:
    """One request."""

    def __init__(self, method: str, target: str, headers: dict[str, str], body: bytes) -> None:
        self.method = method
        self.path, _, self.query = target.partition("?")
        self.headers = headers
        self.body = body

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


class Service:
    """A server on this machine; subclasses say what it answers."""

    def __init__(self, identity: Issued | None = None) -> None:
        """`identity`: its certificate; plain HTTP without one."""
        self.log: list[str] = []
        self.down: int | None = None
        """A status for every request, or None for sound answers; 0 breaks connections off."""
        self.stalled = threading.Event()
        self.stalled.set()
        """Cleared: requests wait."""
        self.lock = threading.RLock()
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        if identity is not None:
            # The handshake belongs to the thread of its connection: a caller that hangs must not keep others out.
            context = server_context(identity)
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self.scheme = "http" if identity is None else "https"
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self) -> str:
        """Where it is."""
        return f"{self.scheme}://localhost:{self.port}"

    def answer(self, asked: Asked) -> Answer:
        """What it says."""
        raise NotImplementedError

    def count(self, start: str) -> int:
        """How many requests began so, as in `GET /v1/kv`."""
        return sum(line.startswith(start) for line in self.log)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stalled.set()
        self._server.shutdown()
        self._server.hang_up()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    """Ends with all of its connections, so that none outlives a test."""

    daemon_threads = False

    def __init__(self, *arguments: Any) -> None:
        self._open: list[socket.socket] = []
        super().__init__(*arguments)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.append(request)
        super().process_request(request, client_address)

    def hang_up(self) -> None:
        """Break off what is open yet."""
        for request in self._open:
            try:
                # Not the method of TLS, which would take it away under the thread that reads.
                socket.socket.shutdown(request, socket.SHUT_RDWR)
            except OSError:
                continue

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Callers hang up as they please."""


def _handler(service: Service) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 10

        def _serve(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            headers = {name.lower(): value for name, value in self.headers.items()}
            asked = Asked(self.command, self.path, headers, self.rfile.read(length))
            service.stalled.wait(10)
            with service.lock:
                service.log.append(str(asked))
                down = service.down
                status, found, more = (
                    service.answer(asked) if down is None else (down, {"errors": [f"down with {down}"]}, {})
                )
            if status == 0:
                self.close_connection = True
                return
            body = json.dumps(found).encode()
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", "Content-Length": str(len(body)), **more}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PUT = _serve  # noqa: N815 - names of the base class

        def handle(self) -> None:
            try:
                super().handle()
            except OSError:
                # Callers hang up as they please.
                self.close_connection = True

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """The log is a list."""

    return Handler
