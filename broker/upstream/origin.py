"""One target of an upstream: how it is reached, and what keeps its connections apart from any other's."""

import ssl
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class TlsSettings:
    """Hop 2's TLS for one upstream."""

    context: ssl.SSLContext = field(repr=False)
    profile: str
    server_name: str | None
    """What SNI and the certificate's name are; `""`: no SNI; None: the target's host."""
    pins: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Origin:
    """A target: scheme, address, TLS."""

    host: str
    port: int
    authority: bytes
    """Host and port as written in the configuration: the `Host` that it is sent."""
    tls: TlsSettings | None

    @property
    def server_name(self) -> str | None:
        """The SNI to send; None for none."""
        if self.tls is None:
            return None
        name = self.host if self.tls.server_name is None else self.tls.server_name
        return name or None


@dataclass(frozen=True, slots=True)
class UpstreamSettings:
    """Deadlines in seconds, and how many idle connections are kept."""

    connect: float
    first_byte: float
    idle: float
    write: float
    require_close_notify: bool
    pool_idle: float
    pool_size: int
