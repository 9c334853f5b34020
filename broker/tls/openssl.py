"""The engine on the interpreter's own OpenSSL, through memory BIOs (`ssl.SSLObject`)."""

import ssl
from collections.abc import Callable
from typing import Final

from broker.tls.errors import TlsFailure
from broker.tls.sessions import Slot

_READ: Final = 64 * 1024
_WRITE: Final = 64 * 1024
"""Bytes encrypted at a time: the library's buffer stays as large as it ever was while the connection lives."""


def failure_of(error: ssl.SSLError) -> TlsFailure:
    """Turn the library's exception into ours."""
    code = error.verify_code if isinstance(error, ssl.SSLCertVerificationError) else 0
    message = error.verify_message if isinstance(error, ssl.SSLCertVerificationError) else str(error)
    if isinstance(error, ssl.SSLEOFError):
        return TlsFailure("UNEXPECTED_EOF", "the peer closed the connection without close_notify")
    return TlsFailure(error.reason or type(error).__name__, message, code)


class OpenSslEngine:
    """One TLS connection on an `ssl.SSLContext`; `server_name` is the SNI a client sends, None for none.

    `session`: where a client finds the session to resume, and leaves its own.
    """

    __slots__ = ("_connected", "_held", "_in", "_out", "_session", "_ssl")

    def __init__(
        self,
        context: ssl.SSLContext,
        *,
        server_side: bool = False,
        server_name: str | None = None,
        session: Slot[ssl.SSLSession] | None = None,
    ) -> None:
        self._in = ssl.MemoryBIO()
        self._out = ssl.MemoryBIO()
        self._ssl = context.wrap_bio(self._in, self._out, server_side=server_side, server_hostname=server_name)
        self._connected = False
        self._held: bytearray | None = None
        self._session = session
        if session is not None and session.session is not None:
            self._ssl.session = session.session

    def attach(self, wake: Callable[[], None]) -> None:
        """It never works on its own."""

    @property
    def object(self) -> ssl.SSLObject:
        """The library's object, for what only it knows (SNI callbacks)."""
        return self._ssl

    def handshake(self) -> bool:
        try:
            self._ssl.do_handshake()
        except ssl.SSLWantReadError:
            return False
        except ssl.SSLError as error:
            raise failure_of(error) from None
        except (ValueError, OSError) as error:
            raise TlsFailure("HANDSHAKE", str(error)) from None
        self._connected = True
        if self._session is not None and not self._ssl.session_reused and self._ssl.version() != "TLSv1.3":
            self._remember(self._session)
        return True

    def _remember(self, slot: Slot[ssl.SSLSession]) -> None:
        # Each look at the session copies it, certificates and all: it is read once for a connection.
        slot.session = self._ssl.session or slot.session

    def feed(self, data: bytes) -> None:
        self._in.write(data)

    def feed_eof(self) -> None:
        self._in.write_eof()

    def read(self) -> bytes | None:
        # SSLWantReadError costs more than a whole record: ask only where there is something to read.
        if not self._in.pending and not self._in.eof and not self._ssl.pending():
            return None
        try:
            return self._ssl.read(_READ)
        except ssl.SSLWantReadError:
            return None
        except ssl.SSLError as error:
            raise failure_of(error) from None

    def write(self, data: bytes) -> bytes:
        if self._held is not None:
            self._hold(data)
            return self._release()
        if len(data) <= _WRITE:
            return self._write(data)
        whole, out = memoryview(data), []
        for at in range(0, len(data), _WRITE):
            out.append(self._write(whole[at : at + _WRITE]))
            if self.held:
                # Nothing more is tried now: what is held would be cut up and put together again without end.
                self._hold(whole[at + _WRITE :])
                break
        return b"".join(out)

    def _write(self, data: bytes | memoryview) -> bytes:
        sent = 0
        try:
            sent = self._ssl.write(data)
            while sent < len(data):
                sent += self._ssl.write(memoryview(data)[sent:])
        except ssl.SSLWantReadError:
            # The server renegotiates: what is left waits for its answer.
            self._hold(memoryview(data)[sent:])
        except ssl.SSLError as error:
            raise failure_of(error) from None
        return self._out.read()

    def _hold(self, data: bytes | memoryview) -> None:
        self._held = self._held or bytearray()
        self._held += data

    def _release(self) -> bytes:
        held, self._held = bytes(self._held or b""), None
        return self.write(held)

    @property
    def held(self) -> int:
        return 0 if self._held is None else len(self._held)

    def outgoing(self) -> bytes:
        if self._held is not None:
            return self._release()
        return self._out.read() if self._out.pending else b""

    def close(self) -> bytes:
        if self._connected:
            if self._session is not None and self._ssl.version() == "TLSv1.3":
                # Its tickets come after the handshake.
                self._remember(self._session)
            try:
                self._ssl.unwrap()
            except (ssl.SSLError, OSError, ValueError):
                # Raised while the peer's own close_notify is still missing; ours is in the buffer by then.
                pass
        return self._out.read()

    def protocol(self) -> str:
        return self._ssl.version() or ""

    def cipher(self) -> str:
        cipher = self._ssl.cipher()
        return cipher[0] if cipher else ""

    def peer_certificate(self) -> bytes | None:
        return self._ssl.getpeercert(binary_form=True)

    def resumed(self) -> bool:
        return bool(self._ssl.session_reused)
