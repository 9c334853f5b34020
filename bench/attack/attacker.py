"""One attacking connection. Non-blocking; it never waits and is driven from outside."""

import contextlib
import errno
import select
import socket
import ssl
from time import monotonic

from bench.attack.kinds import Kind

CUT = select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR
_RECEIVE_BUFFER = 4096


class Attacker:
    """From the connection to the cut."""

    def __init__(self, number: int, kind: Kind, context: ssl.SSLContext, source: str, port: int) -> None:
        self.number = number
        self.kind = kind
        self.begun = monotonic()
        self.cut = ""
        """How it was cut off: a status, `closed` or `reset`; empty until then."""
        self.up = False
        """Whether it does what it came for."""
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._in, self._out, server_hostname="localhost")
        self._connected = False
        self.socket = socket.socket()
        self.socket.setblocking(False)
        if kind.takes:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.bind((source, 0))
        self.socket.connect_ex(("127.0.0.1", port))

    @property
    def wants(self) -> int:
        """The events to be woken by."""
        if not self._connected:
            return select.EPOLLOUT | CUT
        return CUT if self.up and self.kind.takes else select.EPOLLIN | CUT

    @property
    def over(self) -> bool:
        """Whether it was cut off."""
        return self.cut != ""

    def woken(self, events: int) -> None:
        """Something of `wants` has happened."""
        if not self._connected and events & select.EPOLLOUT and not events & select.EPOLLERR:
            self._connected = True
            self._shake()
        elif events & select.EPOLLIN and not (self.up and self.kind.takes):
            self._read()
        elif events & CUT:
            self._over()

    def go_on(self) -> None:
        """Another bit, slowly."""
        if not self.up:
            return
        if self.kind.takes:
            with contextlib.suppress(BlockingIOError, ConnectionError):
                self.socket.recv(self.kind.takes)
        elif self.kind.more:
            self._tls.write(self.kind.more)
            self._flush()

    def _shake(self) -> None:
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            self._flush()
            self.up = not self.kind.finishes
            return
        self.up = True
        self._tls.write(self.kind.first)
        self._flush()

    def _read(self) -> None:
        try:
            data = self.socket.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            self.cut = "reset"
            return
        if not data:
            self.cut = "closed"
        elif self.kind.finishes:
            self._in.write(data)
            self._understand()

    def _understand(self) -> None:
        if not self.up:
            self._shake()
            if not self.up:
                return
        try:
            answer = self._tls.read(65536)
        except ssl.SSLWantReadError:
            return
        except ssl.SSLError:
            answer = b""
        self.cut = answer.split(b" ", 2)[1].decode() if answer.startswith(b"HTTP/1.") else "closed"

    def _over(self) -> None:
        error = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        self.cut = "reset" if error in (errno.ECONNRESET, errno.EPIPE) else "closed"

    def _flush(self) -> None:
        try:
            self.socket.send(self._out.read())
        except BlockingIOError:
            pass
        except OSError:
            self.cut = "reset"
