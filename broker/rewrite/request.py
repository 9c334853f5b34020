"""The head that goes to the upstream: the caller's lines as they came, less hop 1's, plus the credential."""

from broker.core.exchange import Exchange
from broker.core.heads import Framing
from broker.core.injection import NO_INJECTION, Injection
from broker.core.message import HOP_BY_HOP, Line, is_forwarding, is_lookalike, named_for_removal, normal
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


def request_head(exchange: Exchange, plan: RoutePlan, authority: bytes, injection: Injection = NO_INJECTION) -> bytes:
    """The request head for a target with this `authority` (RFC 9112 sections 3 and 5)."""
    head = exchange.head
    target = plan.upstream_target(head.target)
    if injection.query:
        target += (b"&" if b"?" in target else b"?") + injection.query
    out = [head.method, b" ", target, b" HTTP/1.1\r\n"]
    prefixes = plan.prefixes
    named = named_for_removal(head.options) if head.options else head.options
    hosted = False
    kept = b"cookie" not in named and b"cookie" not in plan.dropped
    cookies = _cookies(head.lines, injection.cookie, kept=kept) if injection.cookie else b""
    for name, value in head.lines:
        prefix = prefixes[name]
        if prefix is None:
            lower = name.lower()
            if lower == b"host":
                hosted = True
                out += (name, b": ", _host(exchange, plan, authority), _CRLF)
            else:
                _closer_look(exchange, plan, name, lower, value, out)
        elif (not named or name.lower() not in named) and not (cookies and name.lower() == b"cookie"):
            out += (prefix, value, _CRLF)
    if not hosted:
        out += (b"Host: ", _host(exchange, plan, authority), _CRLF)
    out += forwarded_lines(exchange, plan)
    if plan.caller_header and exchange.caller:
        out += (plan.caller_header, b": ", exchange.caller.encode(), _CRLF)
    if cookies:
        # Beyond the reach of whatever the caller's lines may say about this field.
        out += (b"Cookie: ", cookies, _CRLF)
    for name, value in injection.lines:
        out += (name, b": ", value, _CRLF)
    out.append(_CRLF)
    return b"".join(out)


def _cookies(lines: list[Line], ours: bytes, *, kept: bool) -> bytes:
    """The value of one `Cookie` line (RFC 6265 section 5.4): ours, and behind them the caller's, where they are kept,
    but for namesakes. Of two cookies with one name services believe the first, and some take names in any case."""
    if not kept:
        return ours
    names = {_cookie_name(pair) for pair in ours.split(b";")}
    pairs = [pair for name, value in lines if name.lower() == b"cookie" for pair in value.split(b";")]
    theirs = [rest for pair in pairs if (rest := _foreign(pair, names))]
    return b"; ".join([ours, *theirs])


def _foreign(pair: bytes, names: set[bytes]) -> bytes:
    """A pair of the caller's without namesakes: some services let a comma separate cookies too (RFC 2965)."""
    parts = pair.split(b",")
    kept = [part for part in parts if _cookie_name(part) not in names]
    return b",".join(kept).strip()


def _cookie_name(pair: bytes) -> bytes:
    return pair.partition(b"=")[0].strip().lower()


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
    if not exchange.caller_side.peer_trusted or not is_forwarding(name) or normal(name) != lower:
        return False
    if lower in plan.dropped:
        return False
    return plan.forwarded != "x-forwarded" or lower != b"x-forwarded-for"
