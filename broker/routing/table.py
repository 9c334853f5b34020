"""Which route a request takes: the most specific match, at a cost that does not grow with the number of routes.

Order of specificity: exact path over longer prefix over shorter, then exact host over longer wildcard over any, then
the number of other conditions. Paths are compared byte for byte, as they came.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from broker.core.errors import BrokerError
from broker.core.exchange import Exchange
from broker.core.heads import RequestHead
from broker.core.plan import RoutePlan
from broker.routing.conditions import Conditions

NEVER_FORWARDED = frozenset({b"TRACE", b"CONNECT"})
"""TRACE would echo the injected credential to the caller (RFC 9110 section 9.3.8); CONNECT is no gateway's business."""


@dataclass(slots=True)
class Rule:
    """A route's match and what it leads to."""

    host: str | None
    path: bytes
    conditions: Conditions
    plan: RoutePlan


@dataclass(slots=True)
class _Place:
    """The rules of one path (exact or prefix), by host."""

    exact: dict[str, list[Rule]] = field(default_factory=dict)
    wildcard: dict[str, list[Rule]] = field(default_factory=dict)
    anyhost: list[Rule] = field(default_factory=list)

    def add(self, rule: Rule) -> None:
        if rule.host is None:
            rules = self.anyhost
        elif rule.host.startswith("*."):
            rules = self.wildcard.setdefault(rule.host[1:], [])
        else:
            rules = self.exact.setdefault(rule.host, [])
        rules.append(rule)
        rules.sort(key=lambda one: -one.conditions.count)

    def candidates(self, host: str) -> Iterator[list[Rule]]:
        if self.exact and host in self.exact:
            yield self.exact[host]
        if self.wildcard:
            for suffix in suffixes(host):
                if suffix in self.wildcard:
                    yield self.wildcard[suffix]
        if self.anyhost:
            yield self.anyhost


def suffixes(host: str) -> Iterator[str]:
    """`.b.c`, `.c` of `a.b.c`: what `*.b.c` and `*.c` stand for, longest first."""
    at = host.find(".")
    while at >= 0:
        yield host[at:]
        at = host.find(".", at + 1)


class RouteTable:
    """The routes of one listener."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._exact: dict[bytes, _Place] = {}
        self._prefix: dict[bytes, _Place] = {}
        self._depth = 0
        self._hosts: set[str] = set()
        self._any_host = False
        for rule in rules:
            self._add(rule)

    def _add(self, rule: Rule) -> None:
        places = self._exact
        if rule.path.endswith(b"/"):
            places = self._prefix
            self._depth = max(self._depth, rule.path.count(b"/"))
        places.setdefault(rule.path, _Place()).add(rule)
        if rule.host is None:
            self._any_host = True
        else:
            self._hosts.add(rule.host.removeprefix("*"))

    def match(self, exchange: Exchange) -> RoutePlan:
        """The plan of the most specific route; raises `misdirected_request`, `no_route` or `method_not_allowed`."""
        head = exchange.head
        allowed: set[bytes] = set()
        if head.method not in NEVER_FORWARDED:
            for place in self._places(head.target):
                for rules in place.candidates(head.host):
                    for rule in rules:
                        if rule.conditions.hold(head):
                            if rule.conditions.takes(head.method):
                                return rule.plan
                            allowed |= rule.conditions.methods
        raise self._refusal(head, allowed)

    def _places(self, target: bytes) -> Iterator[_Place]:
        """The places whose path matches, most specific first."""
        end = target.find(b"?")
        path = target if end < 0 else target[:end]
        place = self._exact.get(path)
        if place is not None:
            yield place
        for stop in reversed(self._ends(path)):
            place = self._prefix.get(path[:stop])
            if place is not None:
                yield place

    def _ends(self, path: bytes) -> list[int]:
        """Where prefixes may end: behind each slash, as deep as the deepest configured prefix."""
        ends: list[int] = []
        at = -1
        while len(ends) < self._depth and (at := path.find(b"/", at + 1)) >= 0:
            ends.append(at + 1)
        return ends

    def knows(self, host: str) -> bool:
        """Whether any route answers for this host."""
        return self._any_host or host in self._hosts or any(suffix in self._hosts for suffix in suffixes(host))

    def _refusal(self, head: RequestHead, allowed: set[bytes]) -> BrokerError:
        if not self.knows(head.host):
            return BrokerError("misdirected_request", "No host of that name is served here.")
        if head.method in NEVER_FORWARDED:
            return BrokerError("method_not_allowed", "This method is never forwarded.", headers=(("Allow", ""),))
        if allowed:
            methods = b", ".join(sorted(allowed)).decode()
            return BrokerError("method_not_allowed", headers=(("Allow", methods),))
        return BrokerError("no_route")
