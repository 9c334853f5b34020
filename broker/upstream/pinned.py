"""Calls whose caller authenticates the connection itself (NTLM, Negotiate): nobody else's calls may share it.

Such a scheme proves who is at the other end once, and then trusts whatever comes on that connection. So it is pinned to
the caller's own connection: it never goes back to the pool, and it ends when the caller's does.
"""

from collections.abc import Sequence

from broker.core.exchange import Exchange
from broker.core.heads import RequestHead
from broker.upstream.connection import UpstreamConnection
from broker.upstream.pool import Pool

_SCHEMES = (b"ntlm", b"negotiate", b"kerberos")


def authenticates_connection(head: RequestHead, dropped: frozenset[bytes]) -> bool:
    """Whether the caller's own `Authorization` goes on, with a scheme that binds to connections (RFC 4559)."""
    if head.authorization is None or b"authorization" in dropped:
        return False
    # Of several lines, some servers take the first and some the last.
    return any(value.lstrip(b" \t")[:9].lower().startswith(_SCHEMES) for value in head.values(b"authorization"))


def pinned_to(exchange: Exchange, upstream: str, pools: Sequence[Pool]) -> "Pin | None":
    """The connection that belongs to this caller, in one of these pools; None where there is none, or it has ended.

    Two callers may share a connection of hop 1, and two routes an upstream with connections apart: neither gets the
    other's.
    """
    pins = exchange.caller_side.pins
    pin = None if pins is None else pins.get(upstream)
    if isinstance(pin, Pin) and pin.usable and pin.caller == exchange.caller and pin.pool in pools:
        return pin
    return None


class Pin:
    """An upstream connection that one caller's connection has for itself."""

    def __init__(self, pool: Pool, connection: UpstreamConnection, caller: str) -> None:
        self.caller = caller
        """The configured name of who logged in on it; empty on public routes."""
        self.pool = pool
        self.connection = connection
        pool.reserve(connection)

    @property
    def usable(self) -> bool:
        """Whether another call can be made on it."""
        connection = self.connection
        return connection.free and connection.reusable and not connection.closing and not self.pool.closed

    def close(self) -> None:
        """The caller's connection is over."""
        self.connection.close()
        self.pool.unreserve(self.connection)
