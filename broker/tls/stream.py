"""A TCP transport with, where wanted, a TLS engine in it: the base of both hops' connections."""

import asyncio
import socket
import struct
from time import monotonic
from typing import Final, cast

from broker.tls.engine import TlsEngine
from broker.tls.errors import TlsFailure

_RESET: Final = struct.pack("ii", 1, 0)
_TURN: Final = 0.002
"""Seconds of TLS work after which a stream lets the others have their turn: 3DES is slow."""
WRITE_HIGH: Final = 256 * 1024
"""Bytes waiting in a transport above which its feeder is told to stop."""


class SecureStream(asyncio.Protocol):
    """Moves bytes between a transport and `received`, through `engine` when there is one.

    Subclasses implement `established`, `received`, `ended`, `tls_failed` and `lost`, and may override
    `writable` to learn about backpressure.
    """

    __slots__ = (
        "_discarding",
        "_engine",
        "_held_back",
        "_paused",
        "_ready",
        "_transport",
        "_yielded",
        "closing",
        "write_blocked",
    )

    def __init__(self, engine: TlsEngine | None) -> None:
        self._engine = engine
        self._transport: asyncio.Transport | None = None
        self._ready = engine is None
        self._paused = False
        self._discarding = False
        self._held_back = False
        self._yielded = False
        self.closing = False
        self.write_blocked = False

    # For subclasses.

    def established(self) -> None:
        """The transport, and TLS in it, is ready."""

    def received(self, data: bytes) -> None:
        """Plaintext from the peer."""

    def ended(self, clean: bool) -> None:
        """The peer sends no more; `clean` is False when TLS was cut off without close_notify."""

    def tls_failed(self, failure: TlsFailure) -> None:
        """TLS broke; the stream is aborted after this."""

    def lost(self, error: Exception | None) -> None:
        """The transport is gone."""

    def writable(self) -> None:
        """The transport has room again after `write_blocked`."""

    # What users of a stream call.

    @property
    def transport(self) -> asyncio.Transport:
        """The transport below; only between `connection_made` and `connection_lost`."""
        return cast("asyncio.Transport", self._transport)

    @property
    def waiting(self) -> int:
        """Bytes handed over but not yet taken by the kernel."""
        if self._transport is None:
            return 0
        held = self._engine.held if self._held_back and self._engine is not None else 0
        return self._transport.get_write_buffer_size() + held

    def send(self, data: bytes) -> None:
        """Send plaintext; never blocks, see `write_blocked`."""
        transport = self._transport
        if transport is None or self.closing:
            return
        engine = self._engine
        if engine is None:
            transport.write(data)
            return
        try:
            transport.write(engine.write(data))
            if engine.held and not self._held_back:
                # The peer renegotiates: until it is done, it takes nothing.
                self._held_back = True
                self.pause_writing()
        except TlsFailure as failure:
            self._fail(failure)

    def pause_reading(self) -> None:
        """Stop `received` until `resume_reading`."""
        if not self._paused:
            self._paused = True
            if self._transport is not None:
                self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Let `received` go on, with what TLS holds back first."""
        if self._paused:
            self._paused = False
            if self._transport is not None and not self._yielded:
                self._transport.resume_reading()
                if self._engine is not None and self._ready:
                    asyncio.get_running_loop().call_soon(self._drain_engine)

    def close(self) -> None:
        """Close after what was sent has left: close_notify, then FIN."""
        if self._transport is not None:
            self._say_goodbye()
            self._transport.close()

    def close_discarding(self) -> None:
        """Close, but until the peer closes too, or `close` or `abort` ends it, throw away what comes.

        A socket closed over bytes that nobody read answers with a reset, which can destroy what was sent (RFC 9112
        section 9.6). What comes is not decrypted: OpenSSL takes data that waits behind our close_notify for an error.
        """
        if self._transport is not None and not self.closing:
            self._say_goodbye()
            self._discarding = True
            self._transport.write_eof()
            self._transport.resume_reading()

    def _say_goodbye(self) -> None:
        if not self.closing:
            self.closing = True
            if self._engine is not None and self._ready:
                self.transport.write(self._engine.close())

    def abort(self) -> None:
        """Reset the connection: the peer must see that the transfer broke."""
        if self._transport is None:
            return
        self.closing = True
        reset(self._transport)

    # asyncio.Protocol.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=WRITE_HIGH)
        if self._ready:
            self.established()
        else:
            cast("TlsEngine", self._engine).attach(self._woken)
            self._handshake()

    def _woken(self) -> None:
        if self._transport is not None and not self.closing and (self._ready or self._handshake()):
            self._drain_engine()

    def data_received(self, data: bytes) -> None:
        if self._discarding:
            return
        engine = self._engine
        if engine is None:
            self.received(data)
            return
        engine.feed(data)
        if self._ready or self._handshake():
            self._drain_engine()

    def eof_received(self) -> bool:
        if self._discarding:
            return False
        engine = self._engine
        if engine is None:
            self.ended(clean=True)
            return True
        engine.feed_eof()
        if self._ready or self._handshake():
            self._drain_engine()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        if self._engine is not None and not self._ready:
            # An engine may be at work on a handshake that nobody waits for any more.
            self._engine.close()
        self._transport = None
        self.closing = True
        self.lost(exc)

    def pause_writing(self) -> None:
        self.write_blocked = True

    def resume_writing(self) -> None:
        self.write_blocked = False
        self.writable()

    # TLS.

    def _handshake(self) -> bool:
        engine = cast("TlsEngine", self._engine)
        try:
            self._ready = engine.handshake()
        except TlsFailure as failure:
            self._fail(failure)
            return False
        finally:
            self._flush()
        if self._ready:
            self.established()
        return self._ready and not self.closing

    def _drain_engine(self) -> None:
        if self.closing:
            return
        engine = cast("TlsEngine", self._engine)
        end = monotonic() + _TURN
        try:
            while not self._paused and not self._yielded and not self.closing:
                data = engine.read()
                if data is None:
                    break
                if not data:
                    self.ended(clean=True)
                    return
                self.received(data)
                if monotonic() > end:
                    self._yield()
            self._flush()
        except TlsFailure as failure:
            if failure.reason == "UNEXPECTED_EOF":
                self.ended(clean=False)
            else:
                self._fail(failure)

    def _yield(self) -> None:
        """Let the loop see to others; libuv would otherwise read up to 32 times in a row."""
        if self._transport is not None and not self.closing:
            self._yielded = True
            self._transport.pause_reading()
            asyncio.get_running_loop().call_soon(self._go_on)

    def _go_on(self) -> None:
        self._yielded = False
        if self._transport is None or self.closing or self._paused:
            return
        self._drain_engine()
        if self._transport is not None and not (self._paused or self._yielded or self.closing):
            self._transport.resume_reading()

    def _flush(self) -> None:
        engine = self._engine
        if engine is not None and self._transport is not None and not self._transport.is_closing():
            data = engine.outgoing()
            if data:
                self._transport.write(data)
            if self._held_back and not engine.held:
                self._held_back = False
                self.resume_writing()

    def _fail(self, failure: TlsFailure) -> None:
        self._flush()
        self.tls_failed(failure)
        if self._transport is not None and not self.closing:
            self.closing = True
            self._transport.close()


def reset(transport: asyncio.Transport) -> None:
    """End a connection by RST: nothing of it stays, not even in TIME_WAIT."""
    sock = transport.get_extra_info("socket")
    if sock is not None:
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        except OSError:
            pass
    transport.abort()
