"""One client connection on the private OpenSSL: the same port as `OpenSslEngine`, from SSLv3 on."""

import ctypes
from collections.abc import Callable
from ipaddress import ip_address
from typing import Final

from broker.tls.errors import TlsFailure
from broker.tls.private.library import CUT, FAILED, WANT
from broker.tls.private.session import Session
from broker.tls.private.stepper import Stepper
from broker.tls.sessions import Slot

_READ: Final = 64 * 1024
_REASON: Final = 128
_CERTIFICATE: Final = 64 * 1024
_VERIFY_FAILED: Final = "CERTIFICATE_VERIFY_FAILED"

# Filled and emptied within one call: engines of one thread share it.
_buffer = ctypes.create_string_buffer(_READ)


class PrivateEngine:
    """See `TlsEngine`."""

    __slots__ = ("_connected", "_connection", "_held", "_library", "_slot", "_stepper")

    def __init__(self, library: ctypes.CDLL, context: int, server_name: str | None, slot: Slot[Session] | None) -> None:
        session = None if slot is None or slot.session is None else slot.session.pointer
        self._connection = library.obsolete_new(context, _sni(server_name), session)
        if not self._connection:
            raise MemoryError
        self._library = library
        self._slot = slot
        self._connected = False
        self._held: bytearray | None = None
        self._stepper = Stepper(self._step)

    def __del__(self) -> None:
        if getattr(self, "_connection", None):
            self._library.obsolete_free(self._connection)

    def attach(self, wake: Callable[[], None]) -> None:
        self._stepper.attach(wake)

    def _step(self) -> int:
        return int(self._library.obsolete_handshake(self._connection))

    def handshake(self) -> bool:
        result = self._stepper.step()
        if result is None or result == WANT:
            return False
        self._stepper.end()
        if result == CUT:
            raise TlsFailure("UNEXPECTED_EOF", "the peer closed the connection during the handshake")
        if result == FAILED:
            raise self._failure()
        self._connected = True
        self._remember()
        return True

    def _remember(self) -> None:
        if self._slot is not None:
            session = self._library.obsolete_session(self._connection)
            if session:
                self._slot.session = Session(self._library, session)

    def feed(self, data: bytes) -> None:
        self._stepper.after(lambda: self._library.obsolete_feed(self._connection, data, len(data)))

    def feed_eof(self) -> None:
        self._stepper.after(lambda: self._library.obsolete_feed_eof(self._connection))

    def read(self) -> bytes | None:
        size = self._library.obsolete_read(self._connection, _buffer, _READ)
        if size >= 0:
            return ctypes.string_at(_buffer, size)
        if size == WANT:
            return None
        if size == CUT:
            raise TlsFailure("UNEXPECTED_EOF", "the peer closed the connection without close_notify")
        raise self._failure()

    def write(self, data: bytes) -> bytes:
        if self._held is not None:
            self._held += data
            return self._release()
        return self._write(data)

    def _write(self, data: bytes) -> bytes:
        if data:
            size = self._library.obsolete_write(self._connection, data, len(data))
            if size == WANT:
                # The server renegotiates: this waits for its answer.
                self._held = bytearray(data)
            elif size < 0:
                raise self._failure()
        return self._take()

    def _release(self) -> bytes:
        held, self._held = bytes(self._held or b""), None
        return self._write(held)

    @property
    def held(self) -> int:
        return 0 if self._held is None else len(self._held)

    def outgoing(self) -> bytes:
        if self._stepper.running:
            return b""
        return self._take() if self._held is None else self._release()

    def _take(self) -> bytes:
        size = self._library.obsolete_waiting(self._connection)
        if not size:
            return b""
        buffer = _buffer if size <= _READ else ctypes.create_string_buffer(size)
        self._library.obsolete_take(self._connection, buffer, size)
        return ctypes.string_at(buffer, size)

    def close(self) -> bytes:
        self._stepper.end()
        if self._stepper.running:
            return b""
        if self._connected:
            # TLS 1.3 sends its tickets after the handshake.
            self._remember()
            self._library.obsolete_close(self._connection)
        return self._take()

    def protocol(self) -> str:
        return str(self._library.obsolete_protocol(self._connection).decode())

    def cipher(self) -> str:
        return str(self._library.obsolete_cipher(self._connection).decode())

    def peer_certificate(self) -> bytes | None:
        buffer = ctypes.create_string_buffer(_CERTIFICATE)
        size = self._library.obsolete_certificate(self._connection, buffer, _CERTIFICATE)
        return ctypes.string_at(buffer, size) if 0 < size <= _CERTIFICATE else None

    def resumed(self) -> bool:
        return bool(self._library.obsolete_resumed(self._connection))

    def _failure(self) -> TlsFailure:
        text = ctypes.create_string_buffer(_REASON)
        verify_code = self._library.obsolete_reason(self._connection, text, _REASON)
        message = text.value.decode("ascii", "replace")
        reason = message.upper().replace(" ", "_")
        return TlsFailure(reason, message, verify_code if reason == _VERIFY_FAILED else 0)


def _sni(name: str | None) -> bytes | None:
    """The name as SNI carries it; addresses are none (RFC 6066 section 3)."""
    if name is None:
        return None
    try:
        ip_address(name)
    except ValueError:
        return name.encode("idna" if not name.isascii() else "ascii")
    return None
