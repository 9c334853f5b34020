"""Where a request came from, told to the upstream: `X-Forwarded-*` or `Forwarded` (RFC 7239), and `Via` (RFC 9110)."""

from functools import lru_cache

from broker.core.exchange import Exchange
from broker.core.plan import RoutePlan


def forwarded_lines(exchange: Exchange, plan: RoutePlan) -> tuple[bytes, ...]:
    """The lines to add, as settings of the listener say."""
    side = exchange.caller_side
    head = exchange.head
    via = _via(head.http10) if plan.via else b""
    if plan.forwarded == "off":
        return (via,)
    if plan.forwarded == "rfc7239":
        return (_forwarded(side.peer, head.authority, side.tls), via)
    if side.peer_trusted:
        return (*_continued(exchange), via)
    return (_x_forwarded(side.peer, head.authority, side.tls), via)


def _via(http10: bool) -> bytes:
    return b"Via: 1.0 broker\r\n" if http10 else b"Via: 1.1 broker\r\n"


@lru_cache(maxsize=4096)
def _x_forwarded(peer: str, authority: bytes, tls: bool) -> bytes:
    host = b"X-Forwarded-Host: %b\r\n" % authority if authority else b""
    proto = b"https" if tls else b"http"
    return b"X-Forwarded-For: %b\r\nX-Forwarded-Proto: %b\r\n%b" % (peer.encode(), proto, host)


@lru_cache(maxsize=4096)
def _forwarded(peer: str, authority: bytes, tls: bool) -> bytes:
    address = f'"[{peer}]"' if ":" in peer else peer
    host = b';host="%b"' % authority if authority else b""
    return b"Forwarded: for=%b;proto=%b%b\r\n" % (address.encode(), b"https" if tls else b"http", host)


def _continued(exchange: Exchange) -> tuple[bytes, ...]:
    """A trusted proxy's account, continued: its addresses and ours in one list, its other fields kept."""
    head, side = exchange.head, exchange.caller_side
    addresses = [value for value in head.values(b"x-forwarded-for") if value] + [side.peer.encode()]
    lines = [b"X-Forwarded-For: %b\r\n" % b", ".join(addresses)]
    if head.first(b"x-forwarded-proto") is None:
        lines.append(b"X-Forwarded-Proto: https\r\n" if side.tls else b"X-Forwarded-Proto: http\r\n")
    if head.authority and head.first(b"x-forwarded-host") is None:
        lines.append(b"X-Forwarded-Host: %b\r\n" % head.authority)
    return tuple(lines)
