"""Whose address a call comes from: the peer's, or behind trusted proxies the one that they name."""

import re
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final

from broker.core.exchange import CallerSide, Exchange

Address = IPv4Address | IPv6Address

MOST_ELEMENTS: Final = 100
"""Of each field, counted by its commas: no call passes as many proxies, and each element costs its time."""
MOST_BYTES: Final = 8 * 1024
"""Of each field, all lines together."""
_ELEMENT: Final = re.compile(rb'(?:"(?:[^"\\]|\\.)*+(?:"|\\?\Z)|[^,"])++')
"""An open quote goes on to the end: looked for anew from each quote within it, callers could make that take minutes."""
_PAIR: Final = re.compile(rb"""[ \t]*([!#$%&'*+.^_`|~0-9A-Za-z-]+)=("(?:[^"\\]|\\.)*"|[^";,\s]*)[ \t]*(?:;|\Z)""")


def client_address(exchange: Exchange) -> Address | None:
    """The address of the caller, None where the proxies' account cannot be read or contradicts itself.

    Read from the end, as each proxy appends whom it saw: the first address that is no trusted proxy's is the caller.
    """
    side = exchange.caller_side
    if not side.peer_trusted:
        return parse_address(side.peer.encode())
    told = account(exchange)
    return None if told is None else named(side, told)


def named(side: CallerSide, told: list[bytes]) -> Address | None:
    """The caller by one account of a trusted peer: where it names none but trusted proxies, the first of them."""
    address = parse_address(side.peer.encode())
    for element in reversed(told):
        if address is None or not side.trusts(str(address)):
            break
        address = parse_address(element)
    return address


def client_key(exchange: Exchange) -> str:
    """What stands for a caller's address where something is counted by address."""
    address = client_address(exchange)
    return exchange.caller_side.peer if address is None else address_key(address)


@lru_cache(maxsize=4096)
def peer_key(peer: str) -> str:
    """The same for a peer, whoever it speaks for."""
    address = parse_address(peer.encode())
    return peer if address is None else address_key(address)


def address_key(address: Address) -> str:
    """The same for an address: whoever has one address of a /64 has them all."""
    if isinstance(address, IPv6Address):
        return str(ip_network((int(address) >> 64 << 64, 64)))
    return str(address)


def account(exchange: Exchange) -> list[bytes] | None:
    """Whom the proxies saw, in order; None when the two fields that may say so do not agree.

    A proxy appends to one of them and lets the other through as it came: which of them is made up nobody can tell.
    """
    plain, standard = accounts(exchange)
    if not plain or not standard:
        return plain or standard
    return plain if list(map(parse_address, plain)) == list(map(parse_address, standard)) else None


def accounts(exchange: Exchange) -> tuple[list[bytes], list[bytes]]:
    """What `X-Forwarded-For` and what `Forwarded` tell; empty where the field did not come."""
    values = exchange.head.values
    return listed(values(b"x-forwarded-for")), forwarded_for(values(b"forwarded"))


def listed(values: list[bytes]) -> list[bytes]:
    """The elements of `X-Forwarded-For`, all lines in one; where they are too many, an empty one stands for them."""
    if _too_long(values):
        return [b""]
    return [part.strip(b" \t") for value in values for part in value.split(b",")] if values else []


def forwarded_for(values: list[bytes]) -> list[bytes]:
    """The `for` of each element of `Forwarded` (RFC 7239 section 4); empty where one has none or is malformed.

    Where they are too many, an empty one stands for them.
    """
    if _too_long(values):
        return [b""]
    found: list[bytes] = []
    for value in values:
        elements = _ELEMENT.findall(value)
        # What is left over is an empty element: then nobody knows who stands where.
        found += map(_for, elements) if b",".join(elements) == value else [b""]
    return found


def _too_long(values: list[bytes]) -> bool:
    commas = sum(value.count(b",") for value in values)
    return commas + len(values) > MOST_ELEMENTS or sum(map(len, values)) > MOST_BYTES


def _for(element: bytes) -> bytes:
    named, at = [], 0
    while at < len(element):
        match = _PAIR.match(element, at)
        if match is None:
            return b""
        if match[1].lower() == b"for":
            named.append(_unquoted(match[2]))
        at = match.end()
    return named[0] if len(named) == 1 else b""


def parse_address(text: bytes) -> Address | None:
    """The address in `1.2.3.4`, `1.2.3.4:5678`, `::1`, `[::1]` or `[::1]:80`; None for anything else."""
    plain = text.decode("latin-1")
    if plain.startswith("["):
        host, bracket, port = plain[1:].partition("]")
        if not bracket or (port and not _is_port(port)):
            return None
        plain = host
    elif plain.count(":") == 1:
        plain, _, port = plain.partition(":")
        if not _is_port(":" + port):
            return None
    try:
        address = ip_address(plain.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _is_port(text: str) -> bool:
    return re.fullmatch(r":[0-9]{1,5}", text) is not None


def _unquoted(value: bytes) -> bytes:
    if len(value) >= 2 and value[:1] == value[-1:] == b'"':
        return re.sub(rb"\\(.)", rb"\1", value[1:-1])
    return value
