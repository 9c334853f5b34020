"""Hop 2: the services that are called."""

from datetime import date
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from broker.config.address import Target
from broker.config.base import Model, setting
from broker.config.hosts import bracketed, parse_host, split_host_port
from broker.config.scalars import Duration, FilePath, Pin, Timeout


def _server_name(value: object) -> object:
    return parse_host(value) if isinstance(value, str) and value else value


def _host_header(value: object) -> object:
    if not isinstance(value, str) or value in ("target", "caller"):
        return value
    host, port = split_host_port(value)
    return bracketed(host) if port is None else f"{bracketed(host)}:{port}"


ServerName = Annotated[str, BeforeValidator(_server_name)]
HostHeader = Annotated[str, BeforeValidator(_host_header), WithJsonSchema({"type": "string", "pattern": "^[^/?#@ ]+$"})]


class UpstreamTls(Model):
    """TLS towards a service; whatever is weak is named here and dated."""

    profile: Literal["modern", "legacy", "obsolete"] = setting(
        "modern",
        "modern: TLS 1.2 and later. legacy: TLS 1.0 and later with old ciphers. obsolete: SSLv3, RC4, 3DES.",
    )
    ca: FilePath | None = setting(None, "PEM certificates to trust for this upstream; absent: those of the system.")
    pin_sha256: list[Pin] = Field(
        default_factory=list,
        description="SHA-256 digests of certificates to accept; colons and upper case are fine.",
    )
    unsafe_skip_verify: bool = setting(
        False, "Accept any certificate: whoever sits in between can read and change everything."
    )
    server_name: ServerName | None = setting(
        None, 'Name to send (SNI) and to verify; absent: the host of the target; "" sends none.'
    )
    review_by: Annotated[date, Field(strict=False)] | None = setting(
        None, "Day on which this exception is looked at again, such as 2027-06-30."
    )
    require_close_notify: bool | None = setting(
        None, "Whether an answer that ends with the connection must end with a TLS close_notify."
    )


class UpstreamTimeouts(Model):
    """How long a service may take."""

    connect: Timeout = setting("5s", "For the connection, TLS handshake included.")
    first_byte: Timeout = setting("50s", "From the end of the request to the first byte of the answer.")
    idle: Timeout = setting("30s", "Without progress while the answer arrives.")
    write: Timeout = setting("30s", "Without progress while the service takes the request.")


class Pool(Model):
    """Connections kept for the next request."""

    idle: Duration = setting("60s", "How long an unused connection is kept; 0 keeps none.")
    size: int = setting(64, "Connections to one target at the same time.", ge=1)


class Upstream(Model):
    """A service: one or several targets that are interchangeable."""

    targets: list[Target] = Field(
        min_length=1, description="URLs, all http or all https, without path; requests are spread over them."
    )
    tls: UpstreamTls | None = setting(
        None, "How to speak TLS with https targets; absent: profile modern, verified with the system's CAs."
    )
    timeouts: UpstreamTimeouts = Field(default_factory=UpstreamTimeouts, description="How long the service may take.")
    pool: Pool = Field(default_factory=Pool, description="Connections kept for the next request.")
    host_header: HostHeader = setting(
        "target", "What the Host header says: `target`, `caller` (as it came), or a host name of your own."
    )
