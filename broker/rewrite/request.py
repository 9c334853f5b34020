"""The head that goes to the upstream: the caller's lines as they came, less hop 1's, plus the credential."""

from broker.core.exchange import Exchange
from broker.core.heads import Framing
from broker.core.message import HOP_BY_HOP, is_forwarding, is_lookalike, named_for_removal, normal
from broker.core.plan import RoutePlan
from broker.rewrite.forwarded import forwarded_lines
from broker.rewrite.names import Prefixes

_CLOSER_LOOK = HOP_BY_HOP | {b"host", b"content-length", b"expect"}
_CRLF = b"\r\n"


def request_prefixes(dropped: frozenset[bytes]) -> Prefixes:
    """What to do with each field of a request; `dropped`: normal names that never reach the upstream."""

    def plain(name: bytes) -> bool:
        lower = name.lower()
        return not (lower in _CLOSER_LOOK or normal(name) in dropped or is_forwarding(name) or is_lookalike(name))

    return Prefixes(plain)


def request_head(exchange: Exchange, plan: RoutePlan, authority: bytes) -> bytes:
    """The request head for a target with this `authority` (RFC 9112 sections 3 and 5)."""
    head = exchange.head
    out = [head.method, b" ", upstream_target(plan, head.target), b" HTTP/1.1\r\n"]
    prefixes = plan.prefixes
    named = named_for_removal(head.options) if head.options else head.options
    hosted = False
    for name, value in head.lines:
        prefix = prefixes[name]
        if prefix is None:
            lower = name.lower()
            if lower == b"host":
                hosted = True
                out += (name, b": ", _host(exchange, plan, authority), _CRLF)
            else:
                _closer_look(exchange, plan, name, lower, value, out)
        elif not named or name.lower() not in named:
            out += (prefix, value, _CRLF)
    if not hosted:
        out += (b"Host: ", _host(exchange, plan, authority), _CRLF)
    out += forwarded_lines(exchange, plan)
    for name, value in plan.injected:
        out += (name, b": ", value, _CRLF)
    out.append(_CRLF)
    return b"".join(out)


def upstream_target(plan: RoutePlan, target: bytes) -> bytes:
    """The target with the matched prefix replaced; every other byte stays as it came."""
    if plan.replace_path is None:
        return target
    return plan.replace_path + target[len(plan.match_path) :]


def _host(exchange: Exchange, plan: RoutePlan, authority: bytes) -> bytes:
    if plan.host_header is None:
        return authority
    return plan.host_header or exchange.head.authority or authority


def _closer_look(
    exchange: Exchange, plan: RoutePlan, name: bytes, lower: bytes, value: bytes, out: list[bytes]
) -> None:
    """What frames the message, and a trusted proxy's word. `Expect` ends here: hop 1 is answered by the broker."""
    head = exchange.head
    if lower == b"content-length":
        out += (name, b": %d\r\n" % head.length)
    elif lower == b"transfer-encoding":
        if head.framing is Framing.CHUNKED:
            out += (name, b": chunked\r\n")
    elif _believed(exchange, plan, name, lower):
        out += (name, b": ", value, _CRLF)


def _believed(exchange: Exchange, plan: RoutePlan, name: bytes, lower: bytes) -> bool:
    """Whether this is a trusted proxy's account of the caller, and not one that is continued in a line of ours."""
    if not exchange.caller_side.peer_trusted or not is_forwarding(name) or b"_" in name:
        return False
    return plan.forwarded != "x-forwarded" or lower != b"x-forwarded-for"
