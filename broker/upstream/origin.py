"""One target of an upstream: how it is reached, and what keeps its connections apart from any other's."""

from dataclasses import dataclass, field

from broker.tls.engine import ClientTls
from broker.upstream.manner import Manner


@dataclass(frozen=True, slots=True)
class Origin:
    """A target: scheme, address, TLS."""

    host: str
    port: int
    authority: bytes
    """Host and port as written in the configuration: the `Host` that it is sent."""
    tls: ClientTls | None = field(repr=False)
    """None: plain HTTP."""

    @property
    def name(self) -> str:
        """The name that the certificate has to carry."""
        return (self.tls is not None and self.tls.options.server_name) or self.host

    @property
    def server_name(self) -> str | None:
        """The SNI to send; None for none."""
        return self.name if self.tls is not None and self.tls.options.sends_name else None


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
    pool_age: float = 0.0
    """How old a connection may be to be kept; 0: any age."""
    http: Manner | None = None
    """How HTTP is spoken where plain HTTP/1.1 is too much; None: nothing special."""
