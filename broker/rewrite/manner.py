"""The request head once more, for an upstream that insists on a version, on spellings, or on a `Connection` line."""

from collections.abc import Callable, Iterable

from broker.core.exchange import Exchange
from broker.core.injection import Injection
from broker.core.plan import RoutePlan

RewriteRequest = Callable[[Exchange, RoutePlan, bytes, Injection], bytes]


def in_manner(
    rewrite: RewriteRequest, *, http10: bool, spellings: Iterable[bytes], connection: bytes
) -> RewriteRequest:
    """`rewrite`, and then: HTTP/1.0 where asked for, names spelled as given, a `Connection` line unless it is empty."""
    spelled = {name.lower(): name for name in spellings}

    def head(exchange: Exchange, plan: RoutePlan, authority: bytes, injection: Injection) -> bytes:
        # The broker's own lines, which end in CRLF and hold no other: splitting them parses nothing.
        start, *lines = rewrite(exchange, plan, authority, injection).split(b"\r\n")[:-2]
        if http10:
            start = start.removesuffix(b"1.1") + b"1.0"
        if connection:
            lines.append(b"Connection: " + connection)
        if spelled:
            lines = [_spell(line, spelled) for line in lines]
        return b"\r\n".join([start, *lines, b"", b""])

    return head


def _spell(line: bytes, spelled: dict[bytes, bytes]) -> bytes:
    name, colon, value = line.partition(b":")
    return spelled.get(name.lower(), name) + colon + value
