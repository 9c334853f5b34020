"""`broker explain METHOD URL`: which route a request takes, why, and what would be sent; secrets masked."""

import argparse
import asyncio
import sys
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from broker.callers.build import build_callers
from broker.cli.common import add_config, load_or_complain
from broker.cli.explain_policy import failures, fallback, limits
from broker.cli.routes import conditions
from broker.compile import make_plan, make_rule
from broker.compile_credentials import Credentialed, listed
from broker.config.model import Config, Route, Upstream
from broker.core.body import Body
from broker.core.errors import BrokerError
from broker.core.exchange import Closable, Exchange
from broker.core.heads import RequestHead
from broker.core.injection import Injection
from broker.core.message import Line
from broker.core.plan import Reply, RoutePlan
from broker.core.ports import Reference
from broker.core.secret import Secret
from broker.credentials.build import build_injector
from broker.credentials.flow import MASK
from broker.http1.errors import ProtocolError
from broker.http1.limits import HeadLimits
from broker.http1.request_parser import RequestParser
from broker.pipeline import call_seconds
from broker.rewrite.request import request_head
from broker.routing.table import RouteTable
from broker.secretstore.fixed import FixedSource
from broker.tls.describe import describe
from broker.tls.profiles import options_of

NAME = "explain"
HELP = "say which route a request takes, why, and what would be sent upstream; secrets masked"
PEER = "192.0.2.1"
PRIVATE = frozenset({"authorization", "cookie", "x-api-key", "api-key", "ocp-apim-subscription-key"})
"""Fields whose values are secrets of the caller."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The request, as curl would be given it."""
    add_config(parser)
    parser.add_argument("method", metavar="METHOD")
    parser.add_argument("url", metavar="URL", help="as the caller writes it: https://host[:port]/path?query")
    parser.add_argument("-H", "--header", action="append", default=[], metavar="'K: V'", help="a header line")
    parser.add_argument("--listener", help="the listener that takes the call, where there are several")


def run(args: argparse.Namespace) -> int:
    """Exit code 0 when a route takes the request, 1 when none does, 2 when the file or the request is faulty."""
    config = load_or_complain(args.config)
    if isinstance(config, int):
        return config
    name = args.listener or next(iter(config.listeners))
    if name not in config.listeners:
        print(f"broker: no listener is named {name}", file=sys.stderr)
        return 2
    try:
        head = parse_request(request_bytes(args.method, args.url, args.header))
    except ProtocolError as error:
        print(f"refused with {error.code}: {error.reason}")
        return 2
    exchange = Exchange(head, None, Side(), name, 0.0)
    try:
        plan = masked_table(config, name).match(exchange)
    except BrokerError as error:
        print(f"refused with {error.status} {error.code}: {error.detail}")
        return 1
    print_explanation(config, exchange, plan)
    return 0


def request_bytes(method: str, url: str, headers: list[str]) -> bytes:
    """The request as its caller would send it."""
    host, target = split_url(url.partition("#")[0])
    lines = [f"{method.upper()} {target} HTTP/1.1"]
    if not any(line.lower().startswith("host:") for line in headers):
        lines.append(f"Host: {host}")
    return "\r\n".join([*lines, *headers, "", ""]).encode("utf-8", "surrogateescape")


def split_url(url: str) -> tuple[str, str]:
    """(authority, target) of a URL, the target as written; a bare path is asked of localhost."""
    if url.startswith("/"):
        return "localhost", url
    rest = url.partition("://")[2] or url
    end = next((at for at, char in enumerate(rest) if char in "/?"), len(rest))
    authority, target = rest[:end].rpartition("@")[2], rest[end:]
    return authority, target if target.startswith("/") else "/" + target


def parse_request(data: bytes) -> RequestHead:
    """The parsed head; raises `ProtocolError`."""
    taken: list[RequestHead] = []

    class Sink:
        def on_request(self, head: RequestHead) -> None:
            taken.append(head)

        def on_request_data(self, data: bytes) -> None:
            """A body is not looked at."""

        def on_request_end(self) -> None:
            """Nor is its end."""

    RequestParser(Sink(), HeadLimits()).feed(data)
    if not taken:
        raise ProtocolError("the request is not complete")
    return taken[0]


class Side:
    """Stands for the caller's connection; explains, never answers."""

    peer = PEER
    peer_trusted = False
    peer_certificate = None
    tls = True
    last = False

    def trusts(self, address: str) -> bool:
        """Nobody is a proxy here."""
        return False

    pins: dict[str, Closable] | None = None

    def pin(self, name: str, what: Closable) -> None:
        """There is no connection."""

    def send_continue(self) -> None:
        """Nothing is sent."""

    def reply(self, exchange: Exchange, head: bytes, body: bytes) -> None:
        """Nothing is sent."""

    def reply_stream(self, exchange: Exchange, head: bytes, body: Body, chunked: bool) -> "asyncio.Future[None]":
        raise RuntimeError("explain sends nothing")

    def abort(self) -> None:
        """There is no connection."""

    def exchange_done(self, exchange: Exchange) -> None:
        """There is no next call."""

    def set_deadline(self, exchange: Exchange, due: float) -> None:
        """There is no clock."""


class Masked(NamedTuple):
    """A credential as it may be shown."""

    lines: tuple[Line, ...]
    fields: frozenset[bytes]
    query_fields: frozenset[bytes] = frozenset()


class NoUpstream:
    """Stands for an upstream; explains, never calls."""

    def __init__(self, name: str) -> None:
        self.name = name

    async def send(self, exchange: Exchange, plan: RoutePlan) -> Reply:
        raise RuntimeError("explain sends nothing")


def masked_table(config: Config, listener: str) -> RouteTable:
    """The table of a listener, with every secret masked."""
    rules = []
    known = build_callers(config.callers, mask, complain)
    for route in config.routes:
        if config.listener_of(route) == listener:
            names = [] if route.callers == "public" else route.callers
            checks = [(name, known[name]) for name in names if name in known]
            brought = masked(route)
            target = Credentialed(NoUpstream(route.upstream), brought.fields, query_fields=brought.query_fields)
            plan = make_plan(config, route, target, checks)
            rules.append(make_rule(route, plan))
    return RouteTable(rules)


def complain(name: str, reason: str) -> None:
    """A caller whose check cannot be made here: what it consumes is then shown as passed on."""
    print(f"broker: callers.{name}: {reason}", file=sys.stderr)


def mask(_: Reference) -> Secret:
    """Stands for every secret."""
    return Secret(MASK)


def masked(route: Route) -> "Masked":
    """What the route's credentials bring in, with every secret masked, and the fields that they set."""
    injector = build_injector(listed(route), lambda _: FixedSource(Secret(MASK)))
    if injector is None:
        return Masked((), frozenset())
    return Masked(injector.preview, injector.fields, injector.query_fields)


def print_explanation(config: Config, exchange: Exchange, plan: RoutePlan) -> None:
    """Say why this route, and what would go out."""
    route = next(one for one in config.routes if one.name == plan.name)
    upstream = config.upstreams[route.upstream]
    print(f"route      {route.name}")
    print(f"because    {because(route)}")
    print(f"callers    {route.callers if route.callers == 'public' else ', '.join(route.callers)}")
    print(f"upstream   {route.upstream}: {', '.join(map(str, upstream.targets))}")
    if upstream.fallback:
        print(f"fallback   {fallback(upstream)}")
    if upstream.targets[0].scheme == "https":
        print(f"tls        {describe_tls(upstream)}")
        wanted = "auto" if upstream.tls is None else upstream.tls.engine
        for line in describe(options_of(upstream.tls), wanted):
            print(f"           {line}")
    print(f"limits     {limits(config, route)}")
    print(f"failures   {failures(upstream)}")
    print(f"deadline   {deadline(route, exchange)}")
    print("sent       (secrets masked)\n")
    authority = upstream.targets[0].authority.encode()
    text = request_head(exchange, plan, authority, Injection(masked(route).lines)).decode("utf-8", "replace")
    fields, parameters = proofs(config, route)
    first, *lines = text.rstrip().split("\r\n")
    print(f"    {masked_target(first, parameters)}")
    for line in lines:
        print(f"    {masked_line(line, PRIVATE | fields)}")


def proofs(config: Config, route: Route) -> tuple[frozenset[str], frozenset[bytes]]:
    """The fields and the parameters of the query in which the route's callers prove who they are."""
    checks = build_callers(config.callers, mask, lambda *_: None)
    shown = [checks[name] for name in ([] if route.callers == "public" else route.callers) if name in checks]
    fields = frozenset[bytes]().union(*(check.consumed for check in shown))
    return frozenset(name.decode() for name in fields), frozenset[bytes]().union(
        *(check.consumed_query for check in shown)
    )


def masked_target(line: str, parameters: frozenset[bytes]) -> str:
    """The request line, without the values of these parameters."""
    method, target, version = line.split(" ")
    path, mark, query = target.partition("?")
    parts = [part.partition("=") for part in query.split("&")]
    shown = [
        f"{name}={MASK.decode()}" if unquote_to_bytes(name) in parameters else name + equals + value
        for name, equals, value in parts
    ]
    return f"{method} {path}{mark}{'&'.join(shown)} {version}"


def masked_line(line: str, private: frozenset[str] = PRIVATE) -> str:
    """A line of the head, without the caller's own secrets where they are passed on."""
    name, colon, value = line.partition(": ")
    if not colon or name.lower() not in private:
        return line
    scheme, space, _ = value.partition(" ")
    shown = scheme + space if space and name.lower() == "authorization" else ""
    return f"{name}: {shown}{MASK.decode()}"


def because(route: Route) -> str:
    """The match in words."""
    kind = "the prefix" if route.match.path.endswith("/") else "exactly"
    parts = [f"the path is {kind} {route.match.path}"]
    parts += [f"the host is {route.match.host}"] if route.match.host else []
    parts += [conditions(route)] if route.match.conditions else []
    return ", ".join(parts)


def describe_tls(upstream: Upstream) -> str:
    """How hop 2's TLS is set, and how the upstream is known."""
    tls = upstream.tls
    if tls is None:
        return "profile modern, verified with the system's CAs"
    if tls.unsafe_skip_verify:
        trust = "NOT verified (unsafe_skip_verify)"
    elif tls.pin_sha256:
        trust = "known by its pin"
    else:
        trust = f"verified with {tls.ca}" if tls.ca else "verified with the system's CAs"
    review = f", review by {tls.review_by}" if tls.review_by else ""
    return f"profile {tls.profile}, {trust}{review}"


def deadline(route: Route, exchange: Exchange) -> str:
    """The seconds the whole call may take."""
    seconds = call_seconds(route.deadline, exchange.head)
    return f"{seconds:g}s" + ("" if route.deadline is not None else " (default)")
