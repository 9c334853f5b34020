"""Hop 1: where callers connect."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from broker.config.address import BindAddress
from broker.config.base import Model, setting
from broker.config.scalars import Duration, FilePath, Network, Size, Timeout


def _off(value: object) -> object:
    # YAML 1.1 reads a bare `off` as False.
    return "off" if value is False else value


Forwarded = Annotated[Literal["x-forwarded", "rfc7239", "off"], BeforeValidator(_off)]
Mtls = Annotated[Literal["off", "optional", "required"], BeforeValidator(_off)]


class Certificate(Model):
    """A certificate chain and its private key, both PEM."""

    chain: FilePath = Field(description="The server certificate, then each issuer in order; the root may be left out.")
    key: FilePath = Field(description="The private key of the first certificate, not encrypted.")


class ListenerTls(Model):
    """TLS towards callers. No setting weakens it: TLS 1.2 and 1.3 with forward secrecy, always."""

    certificates: list[Certificate] = Field(
        min_length=1,
        description="One or several; chosen by the name that the caller asks for, else the first.",
    )
    client_ca: FilePath | None = setting(
        None, "CA certificates that callers' own certificates must come from; absent: none are asked for."
    )
    mtls: Mtls | None = setting(
        None,
        "Whether callers show a certificate. optional: it is asked for, and a caller without one is let in to prove "
        "itself otherwise. Absent: required with `client_ca`, else off.",
    )

    @property
    def asks_for(self) -> Literal["off", "optional", "required"]:
        """Whether a certificate is asked of callers, defaults applied."""
        if self.mtls is not None:
            return self.mtls
        return "off" if self.client_ca is None else "required"


class ListenerTimeouts(Model):
    """How long a caller may take."""

    handshake: Timeout = setting("5s", "For the whole TLS handshake.")
    head: Timeout = setting("10s", "For the whole request head, from its first byte.")
    body: Timeout = setting("30s", "Without progress while the request body arrives.")
    idle: Timeout = setting("120s", "Between two requests on one connection.")
    write: Timeout = setting("30s", "Without progress while the caller takes the answer.")


class FailedCallers(Model):
    """How callers are slowed down that keep showing a wrong proof; after ten more, all proofs of their address wait."""

    after: int = setting(10, "Wrong proofs from one address that are answered at once.", ge=0)
    delay: Duration = setting("250ms", "The first delay; it doubles with each further one. 0 turns it off.")
    most: Timeout = setting("4s", "The longest delay.")
    forget: Timeout = setting("10m", "After how long without a wrong proof an address starts anew.")
    addresses: int = setting(10000, "How many addresses are remembered; those of IPv6 count by their /64.", ge=1)


class ListenerLimits(Model):
    """How much a caller may send."""

    header_bytes: Size = setting("64KiB", "Request line and headers together.", gt=0)
    headers: int = setting(100, "Header lines of one request.", ge=1)
    connections: int = setting(20000, "Open connections of this listener.", ge=1)
    body_rate: Size = setting("240B", "Slowest average per second of a request body; 0 turns it off.")
    failed_callers: FailedCallers = Field(
        default_factory=FailedCallers, description="How callers are slowed down that show a wrong proof."
    )


class Listener(Model):
    """One address where callers connect."""

    bind: BindAddress = Field(
        description="HOST:PORT to listen on; IPv6 in brackets and quotes; port 0 lets the system choose."
    )
    tls: ListenerTls = Field(description="Certificates; TLS is not optional.")
    timeouts: ListenerTimeouts = Field(default_factory=ListenerTimeouts, description="How long a caller may take.")
    limits: ListenerLimits = Field(default_factory=ListenerLimits, description="How much a caller may send.")
    trusted_proxies: list[Network] = Field(
        default_factory=list, description="Networks whose forwarding headers are believed and extended."
    )
    forwarded: Forwarded = setting(
        "x-forwarded", "Which headers tell the upstream about the caller; those of callers are removed."
    )
    via: bool = setting(True, "Whether a Via header is added to requests.")
