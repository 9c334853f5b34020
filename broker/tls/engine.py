"""TLS without a socket: bytes in, bytes out. The stream moves them; an engine never waits."""

from typing import Protocol


class TlsEngine(Protocol):
    """One TLS connection, either side. Every method may raise `TlsFailure`."""

    def handshake(self) -> bool:
        """Go on with the handshake; True once it is complete. Look at `outgoing` after each call."""

    def feed(self, data: bytes) -> None:
        """Take ciphertext from the peer."""

    def feed_eof(self) -> None:
        """The peer closed the transport."""

    def read(self) -> bytes | None:
        """Some plaintext; None when more ciphertext is needed; `b""` once the peer sent close_notify."""

    def write(self, data: bytes) -> bytes:
        """Encrypt all of `data`; returns the ciphertext to send."""

    def outgoing(self) -> bytes:
        """Ciphertext the engine wants sent on its own account (handshake, alerts, tickets)."""

    def close(self) -> bytes:
        """close_notify, as bytes to send; empty when the handshake never finished."""

    def protocol(self) -> str:
        """The negotiated version, as `TLSv1.2`."""

    def cipher(self) -> str:
        """The negotiated suite, by its OpenSSL name."""

    def peer_certificate(self) -> bytes | None:
        """The peer's certificate in DER."""
