"""The legacy endpoint: a threaded server with a weak TLS of its own."""

import socket
import ssl
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from socketserver import BaseRequestHandler, TCPServer
from threading import Condition, Thread
from typing import Any, Self

from broker.testing.contexts import Identity, server_context
from broker.testing.legacy.handler import Handler
from broker.testing.legacy.message import Request
from broker.testing.legacy.service import Service


class ThreadedServer(TCPServer):
    """A thread for every connection, and a way to end them all."""

    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], service: Service, *, max_body: int, idle: float) -> None:
        """Bind and listen."""
        self.service = service
        self.max_body = max_body
        self.idle = idle
        self.context: ssl.SSLContext | None = None
        self.calls: deque[Request] = deque(maxlen=1000)
        self.handshakes: deque[tuple[str, str]] = deque(maxlen=1000)
        self._open: set[socket.socket] = set()
        self._changed = Condition()
        handler: Callable[[Any, Any, Any], BaseRequestHandler] = Handler
        super().__init__(address, handler)

    def note_handshake(self, version: str, cipher: tuple[str, str, int] | None) -> None:
        """Remember what was negotiated."""
        self.handshakes.append((version, cipher[0] if cipher else ""))

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve a connection in a thread that no stuck peer can make the process wait for."""
        if self.context:
            request = _wrap(self.context, request)
        with self._changed:
            self._open.add(request)
        try:
            Thread(target=self._serve, args=(request, client_address), daemon=True).start()
        except RuntimeError:
            # Out of threads: this peer goes, the others stay.
            self._end(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Stay silent about a peer that was gone before it was served."""

    def close_connections(self) -> None:
        """Cut every connection, and wait until their threads have seen it."""
        with self._changed:
            for connection in self._open:
                with suppress(OSError):
                    # Not SSLSocket.shutdown: it takes the TLS object from under the thread that reads.
                    socket.socket.shutdown(connection, socket.SHUT_RDWR)
            self._changed.wait_for(lambda: not self._open, timeout=5)

    def _serve(self, request: Any, client_address: Any) -> None:
        try:
            with suppress(OSError, ValueError):
                self.finish_request(request, client_address)
        finally:
            _say_goodbye(request)
            self._end(request)

    def _end(self, request: Any) -> None:
        self.shutdown_request(request)
        with self._changed:
            self._open.discard(request)
            self._changed.notify_all()


def _wrap(context: ssl.SSLContext, plain: socket.socket) -> ssl.SSLSocket:
    return context.wrap_socket(plain, server_side=True, do_handshake_on_connect=False)


def _say_goodbye(request: socket.socket) -> None:
    with suppress(OSError, ValueError):
        if isinstance(request, ssl.SSLSocket):
            # Sends close_notify; without a timeout it would wait for the peer's.
            request.settimeout(0)
            request.unwrap()


class LegacyEndpoint:
    """The endpoint in this process. Use it with `with`, or call start and stop."""

    def __init__(
        self,
        identity: Identity | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        username: str = "warehouse",
        password: str = "warehouse",
        minimum: ssl.TLSVersion = ssl.TLSVersion.TLSv1,
        maximum: ssl.TLSVersion = ssl.TLSVersion.TLSv1,
        ciphers: str = "ALL:@SECLEVEL=0",
        max_body: int = 10 * 1024 * 1024,
        idle: float = 30.0,
    ) -> None:
        """Bind at once, so that a busy port shows here; without an identity it speaks plain HTTP."""
        context = None
        if identity:
            context = server_context(identity, minimum=minimum, maximum=maximum, ciphers=ciphers)
        service = Service(username, password)
        self._server = ThreadedServer((host, port), service, max_body=max_body, idle=idle)
        self._server.context = context
        self._thread = Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self.host = host
        self.url = f"{'https' if identity else 'http'}://{host}:{self.port}"

    @property
    def port(self) -> int:
        """The port it listens on."""
        port: int = self._server.server_address[1]
        return port

    @property
    def calls(self) -> list[Request]:
        """The latest requests that were read in full."""
        return list(self._server.calls)

    @property
    def handshakes(self) -> list[tuple[str, str]]:
        """Protocol and cipher of the latest handshakes that succeeded."""
        return list(self._server.handshakes)

    def start(self) -> Self:
        """Serve in the background."""
        self._thread.start()
        return self

    def stop(self) -> None:
        """Stop listening and cut the open connections."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()
        self._server.close_connections()

    def __enter__(self) -> Self:
        """Start."""
        return self.start()

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self.stop()
