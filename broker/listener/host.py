"""What a caller's connection knows of the listener that took it."""

from typing import TYPE_CHECKING, Protocol

from broker.core.alarms import AlarmWheel
from broker.core.exchange import Exchange
from broker.http1.limits import HeadLimits
from broker.listener.door import Door

if TYPE_CHECKING:
    from broker.listener.connection import ServerConnection


class Host(Protocol):
    """The listener, as its connections see it."""

    name: str
    wheel: AlarmWheel
    door: Door
    limits: HeadLimits
    body_rate: int
    draining: bool

    def serve(self, exchange: Exchange) -> None:
        """Start serving a call; the pipeline ends it with `exchange_done`."""

    def trusts(self, peer: str) -> bool:
        """Whether a peer is a trusted proxy."""

    def gone(self, connection: "ServerConnection") -> None:
        """A connection ended."""
