"""TLS without a socket: bytes in, bytes out. The stream moves them; an engine never waits."""

from collections.abc import Callable
from typing import Protocol

from broker.tls.options import TlsOptions


class TlsEngine(Protocol):
    """One TLS connection, either side. Every method may raise `TlsFailure`."""

    def attach(self, wake: Callable[[], None]) -> None:
        """An engine that works beside the event loop calls `wake`, in the loop, when it got further on its own."""

    def handshake(self) -> bool:
        """Go on with the handshake; True once it is complete. Look at `outgoing` after each call."""

    def feed(self, data: bytes) -> None:
        """Take ciphertext from the peer."""

    def feed_eof(self) -> None:
        """The peer closed the transport."""

    def read(self) -> bytes | None:
        """Some plaintext; None when more ciphertext is needed; `b""` once the peer sent close_notify."""

    def write(self, data: bytes) -> bytes:
        """Encrypt all of `data`; returns the ciphertext to send.

        In the middle of a renegotiation nothing can be encrypted: `outgoing` gives it then, when that is over.
        """

    @property
    def held(self) -> int:
        """Bytes of plaintext that wait for the end of a renegotiation."""

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

    def resumed(self) -> bool:
        """Whether the handshake resumed an earlier session."""


class ClientTls(Protocol):
    """Hop 2's TLS for one upstream: makes an engine for each connection."""

    name: str
    """The engine: `system`, `private` or `tlslite`."""
    options: TlsOptions
    checks_name: bool
    """Whether the engine compares the certificate with `server_name`; pins are always the caller's to check."""

    def engine(self, server_name: str | None, host: str, port: int) -> TlsEngine:
        """An engine for a new connection to `host` and `port`; `server_name` is the SNI, None for none.

        It verifies the chain where `Trust.chain` says so. Sessions are kept by host and port.
        """
