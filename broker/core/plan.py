"""What a route was compiled to: everything a call needs, decided when the configuration was loaded."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol

from broker.core.body import Body
from broker.core.exchange import Exchange
from broker.core.heads import ResponseHead
from broker.core.query import without_parameters


class Reply(Protocol):
    """An upstream's answer: its head, and its body as it comes (None where it has none)."""

    head: ResponseHead
    body: Body | None

    def cancel(self) -> None:
        """Nobody takes the rest: give it up."""


class UpstreamPort(Protocol):
    """Where a route sends its calls."""

    name: str

    async def send(self, exchange: Exchange, plan: "RoutePlan") -> Reply:
        """Make the call; raises `BrokerError`."""


class GatePort(Protocol):
    """The limits that a call passes before it costs the upstream anything."""

    @property
    def open(self) -> bool:
        """Whether every call passes now: then there is no need to enter."""

    async def enter(self, exchange: Exchange) -> None:
        """Pass, after a wait if need be; raises `BrokerError`."""


@dataclass(slots=True)
class RoutePlan:
    """A compiled route."""

    name: str
    listener: str
    upstream: UpstreamPort
    authenticate: Callable[[Exchange], str | Awaitable[str]]
    """The caller's configured name, awaited where a proof needs it; raises `BrokerError` when none holds."""
    match_path: bytes
    replace_path: bytes | None
    dropped: frozenset[bytes]
    """Lower-case names of fields that never reach the upstream: hop 1's credentials and what is injected."""
    deadline: float | None
    """Seconds for the whole call; None: by the kind of call."""
    max_body: int | None
    gate: GatePort | None = None
    """None where nothing is limited."""
    idempotent: bool | None = None
    """Whether a call may be made twice without harm; None: as its method says."""
    host_header: bytes | None = None
    """The `Host` sent upstream: None for the target's, `b""` for the caller's, else this."""
    forwarded: str = "x-forwarded"
    """Which fields tell the upstream about the caller: `x-forwarded`, `rfc7239` or `off`."""
    via: bool = True
    dropped_query: frozenset[bytes] = frozenset()
    """Names of query parameters that never reach the upstream: hop 1's credentials and what is injected, made by
    `comparable`."""
    caller_header: bytes = b""
    """The field that tells the upstream who calls, or empty."""
    prefixes: dict[bytes, bytes | None] = field(default_factory=dict, repr=False)
    """Raw field name → `Name: ` to forward it with, or None to drop it; filled as names are seen."""

    def upstream_target(self, target: bytes) -> bytes:
        """The target with the matched prefix replaced, less the dropped parameters; every other byte as it came."""
        if self.replace_path is not None:
            target = self.replace_path + target[len(self.match_path) :]
        return without_parameters(target, self.dropped_query) if self.dropped_query else target
