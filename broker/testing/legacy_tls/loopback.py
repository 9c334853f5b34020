"""A threaded TCP server on loopback."""

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

Handle = Callable[[socket.socket], None]


class _Server:
    """A thread for each connection, and all of them ended together."""

    def __init__(self, listening: socket.socket, handle: Handle) -> None:
        self._listening = listening
        self._handle = handle
        self._lock = threading.Lock()
        self._open: dict[socket.socket, threading.Thread] = {}
        self._stopping = False
        self._acceptor = threading.Thread(target=self._accept, daemon=True)
        self._acceptor.start()

    def stop(self) -> None:
        """End the listener and every connection."""
        with self._lock:
            self._stopping = True
        with suppress(OSError):
            # Closing alone would leave `accept` waiting.
            self._listening.shutdown(socket.SHUT_RDWR)
        self._acceptor.join(5)
        with self._lock:
            threads = list(self._open.values())
            for connection in self._open:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join(5)

    def _accept(self) -> None:
        while not self._stopping:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            with self._lock:
                self._open[connection] = thread
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            # A client may leave in the middle of anything.
            with suppress(OSError, EOFError):
                self._handle(connection)
        finally:
            with self._lock:
                del self._open[connection]
                connection.close()


@contextmanager
def serving(handle: Handle, host: str = "127.0.0.1") -> Iterator[int]:
    """Serve every connection in a thread of its own until the end of the block; its port."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family, backlog=128) as listening:
        server = _Server(listening, handle)
        try:
            yield int(listening.getsockname()[1])
        finally:
            server.stop()


def close(connection: socket.socket) -> None:
    """Hang up, in order."""
    connection.shutdown(socket.SHUT_RDWR)


def reset(connection: socket.socket) -> None:
    """Have the connection reset when it is closed."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def hang(connection: socket.socket) -> None:
    """Say nothing until the client gives up."""
    while connection.recv(65536):
        pass


def alert(description: int, version: bytes = b"\x03\x01") -> Handle:
    """Send this fatal alert, then hang up."""

    def react(connection: socket.socket) -> None:
        connection.sendall(b"\x15" + version + b"\x00\x02\x02" + bytes([description]))
        close(connection)

    return react
