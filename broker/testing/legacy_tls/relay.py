"""A TCP relay in front of servers, which may take offence at a ClientHello first."""

import selectors
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from broker.testing.legacy_tls import loopback
from broker.testing.legacy_tls.hello import Hello, read_hello


@dataclass(frozen=True)
class Intolerance:
    """Which hellos a server cannot stand, and what it does then."""

    dislikes: Callable[[Hello], bool]
    react: loopback.Handle


class _Relay:
    """Spreads connections over servers, most of which serve one at a time."""

    def __init__(self, ports: Sequence[int], intolerance: Intolerance | None) -> None:
        self._load = dict.fromkeys(ports, 0)
        self._intolerance = intolerance
        self._lock = threading.Lock()

    def serve(self, client: socket.socket) -> None:
        """Relay one connection."""
        first = b""
        if self._intolerance:
            first, hello = read_hello(client)
            if hello and self._intolerance.dislikes(hello):
                self._intolerance.react(client)
                return
        with self._least_busy() as port, socket.create_connection(("127.0.0.1", port), timeout=10) as server:
            server.settimeout(None)
            server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            server.sendall(first)
            try:
                _pump(client, server)
            except ConnectionResetError:
                loopback.reset(client)

    @contextmanager
    def _least_busy(self) -> Iterator[int]:
        with self._lock:
            port = min(self._load, key=self._load.__getitem__)
            self._load[port] += 1
        try:
            yield port
        finally:
            with self._lock:
                self._load[port] -= 1


def _pump(client: socket.socket, server: socket.socket) -> None:
    """Carry bytes both ways until the server ends."""
    with selectors.DefaultSelector() as selector:
        selector.register(client, selectors.EVENT_READ, server)
        selector.register(server, selectors.EVENT_READ, client)
        while True:
            for key, _ in selector.select():
                source, sink = key.fileobj, key.data
                assert isinstance(source, socket.socket)
                if data := source.recv(65536):
                    sink.sendall(data)
                elif source is server:
                    return
                else:
                    selector.unregister(client)
                    with suppress(OSError):
                        server.shutdown(socket.SHUT_WR)


@contextmanager
def relaying(ports: Sequence[int], intolerance: Intolerance | None = None, host: str = "127.0.0.1") -> Iterator[int]:
    """Relay to servers on these ports of 127.0.0.1 until the end of the block; the relay's port."""
    with loopback.serving(_Relay(ports, intolerance).serve, host) as port:
        yield port
