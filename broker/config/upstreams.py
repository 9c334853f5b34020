"""Hop 2: the services that are called."""

from typing import Annotated

from pydantic import BeforeValidator, Field, WithJsonSchema

from broker.config.address import Target
from broker.config.base import Model, setting
from broker.config.hosts import bracketed, split_host_port
from broker.config.http_fields import HeaderName
from broker.config.policy import AdaptiveConcurrency, CircuitBreaker, Queue, RateSetting, Retry
from broker.config.scalars import Duration, Timeout
from broker.config.targets import Balance, Ejection, HealthCheck, Weight
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
    size: int = setting(64, "Idle connections kept for each target.", ge=1)
    max_age: Duration = setting(
        "5m",
        "How old a connection may be and still be kept after a call, give or take a tenth: each new one looks the name "
        "up again, so changes of DNS are followed. 0: any age.",
    )


class Upstream(Model):
    """A service: one or several targets that are interchangeable."""

    targets: list[Target] = Field(
        min_length=1, description="URLs, all http or all https, without path; requests are spread over them."
    )
    weights: list[Weight] | None = setting(
        None, "The share of each target, in their order: of `[3, 1]` the first gets three times as many calls."
    )
    fallback: list[Target] = Field(
        default_factory=list, description="More targets, asked only while none of `targets` is usable."
    )
    balance: Balance = setting(
        "round_robin",
        "Which target is next. round_robin: each in turn. least_requests: the one with the fewest calls under way. "
        "power_of_two: of two at random the one with fewer. hash: always the same one for the same `hash_header`.",
    )
    hash_header: HeaderName | None = setting(
        None, "The header that `balance: hash` goes by; calls without it take turns."
    )
    ejection: Ejection | None = setting(
        None,
        "When calls show that a target is down; absent: with the usual values where there are several targets and no "
        "`circuit_breaker`, else never.",
    )
    health: HealthCheck | None = setting(
        None, "What targets are asked to find out whether they are up; absent: nothing."
    )
    slow_start: Duration = setting(
        "30s", "In which the share of a target that comes back grows from next to nothing to its whole; 0: at once."
    )
    tls: UpstreamTls | None = setting(
        None, "How to speak TLS with https targets; absent: profile modern, verified with the system's CAs."
    )
    http: UpstreamHttp | None = setting(None, "What is different about the HTTP of the service; absent: nothing.")
    timeouts: UpstreamTimeouts = Field(default_factory=UpstreamTimeouts, description="How long the service may take.")
    pool: Pool = Field(default_factory=Pool, description="Connections kept for the next request.")
    rate: RateSetting | None = setting(None, "Calls to it, such as 100/s or 600/m burst 20; absent: no limit.")
    max_concurrency: int | None = setting(None, "Calls under way at a time; absent: no limit.", ge=1)
    adaptive_concurrency: AdaptiveConcurrency | None = setting(
        None, "Calls under way at a time, where nobody knows how many it bears; instead of `max_concurrency`."
    )
    queue: Queue | None = setting(None, "Calls that wait for their turn; absent: none does.")
    retry: Retry | None = setting(None, "When a failed call is made again; absent: only where nothing can be lost.")
    circuit_breaker: CircuitBreaker | None = setting(None, "When a target is left alone; absent: never.")
    host_header: HostHeader = setting(
        "target", "What the Host header says: `target`, `caller` (as it came), or a host name of your own."
    )

    @property
    def all_targets(self) -> list[Target]:
        """Those of `targets`, then those of `fallback`."""
        return [*self.targets, *self.fallback]
