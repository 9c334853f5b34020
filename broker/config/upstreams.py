"""Hop 2: the services that are called."""

from typing import Annotated

from pydantic import BeforeValidator, Field, WithJsonSchema

from broker.config.address import Target
from broker.config.base import Model, setting
from broker.config.hosts import bracketed, split_host_port
from broker.config.policy import CircuitBreaker, Queue, RateSetting, Retry
from broker.config.scalars import Duration, Timeout
from broker.config.upstream_http import UpstreamHttp
from broker.config.upstream_tls import UpstreamTls


def _host_header(value: object) -> object:
    if not isinstance(value, str) or value in ("target", "caller"):
        return value
    host, port = split_host_port(value)
    return bracketed(host) if port is None else f"{bracketed(host)}:{port}"


HostHeader = Annotated[str, BeforeValidator(_host_header), WithJsonSchema({"type": "string", "pattern": "^[^/?#@ ]+$"})]


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
    http: UpstreamHttp | None = setting(None, "What is different about the HTTP of the service; absent: nothing.")
    timeouts: UpstreamTimeouts = Field(default_factory=UpstreamTimeouts, description="How long the service may take.")
    pool: Pool = Field(default_factory=Pool, description="Connections kept for the next request.")
    rate: RateSetting | None = setting(None, "Calls to it, such as 100/s or 600/m burst 20; absent: no limit.")
    max_concurrency: int | None = setting(None, "Calls under way at a time; absent: no limit.", ge=1)
    queue: Queue | None = setting(None, "Calls that wait for their turn; absent: none does.")
    retry: Retry | None = setting(None, "When a failed call is made again; absent: only where nothing can be lost.")
    circuit_breaker: CircuitBreaker | None = setting(None, "When a target is left alone; absent: never.")
    host_header: HostHeader = setting(
        "target", "What the Host header says: `target`, `caller` (as it came), or a host name of your own."
    )
