"""Which route a request takes: the most specific match, at a cost that does not grow with the number of routes.

Order of specificity: exact path over longer prefix over shorter, then exact host over longer wildcard over any, then
the number of other conditions. Paths are compared byte for byte, as they came; one that another reader would take to
another route is refused.
"""

from collections.abc import Iterable

from broker.core.errors import BrokerError
from broker.core.exchange import Exchange
from broker.core.heads import RequestHead
from broker.core.plan import RoutePlan
from broker.routing.places import Places, Rule, suffixes
from broker.routing.spelling import other_readings, plainly

__all__ = ["NEVER_FORWARDED", "RouteTable", "Rule"]

NEVER_FORWARDED = frozenset({b"TRACE", b"CONNECT"})
"""TRACE would echo the injected credential to the caller (RFC 9110 section 9.3.8); CONNECT is no gateway's business."""


class RouteTable:
    """The routes of one listener."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._places = Places()
        plain = Places()
        self._hosts: set[str] = set()
        self._any_host = False
        self._unplain = False
        for rule in rules:
            self._places.add(rule.path, rule)
            plain.add(plainly(rule.path), rule)
            self._unplain = self._unplain or plainly(rule.path) != rule.path
            if rule.host is None:
                self._any_host = True
            else:
                self._hosts.add(rule.host.removeprefix("*"))
        # The same rules by what their paths mean. Where none lies below another, spelling changes no route. Where a
        # route's own path can be read otherwise, so can requests whose path cannot: each is looked at.
        self._plain = plain if plain.nested else None

    def match(self, exchange: Exchange) -> RoutePlan:
        """The plan of the most specific route.

        Raises `misdirected_request`, `no_route`, `method_not_allowed`, or `bad_request` for a path with two meanings.
        """
        head = exchange.head
        allowed: set[bytes] = set()
        if head.method not in NEVER_FORWARDED:
            target = head.target
            end = target.find(b"?")
            path = target if end < 0 else target[:end]
            rule = _find(self._places, path, head, allowed)
            if rule is not None:
                if self._plain is not None and (self._unplain or other_readings(path)):
                    _check_meaning(self._plain, path, head, rule)
                return rule.plan
        raise self._refusal(head, allowed)

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


def _find(places: Places, path: bytes, head: RequestHead, allowed: set[bytes]) -> Rule | None:
    """The first rule that takes the request; `allowed` gets the methods of those that would take another."""
    for place in places.of(path):
        for rules in place.candidates(head.host):
            for rule in rules:
                if rule.conditions.hold(head):
                    if rule.conditions.takes(head.method):
                        return rule
                    allowed |= rule.conditions.methods
    return None


def _check_meaning(plain: Places, path: bytes, head: RequestHead, rule: Rule) -> None:
    """Refuse a path that a service may take for one of another route, which asks for other callers, perhaps.

    Routes whose own paths differ in spelling only are the operator's word that the service tells them apart.
    """
    other = _find(plain, plainly(path), head, set())
    if other is rule or (other is not None and plainly(other.path) == plainly(rule.path)):
        return
    raise BrokerError("bad_request", "The path can be read in two ways, which lead to two routes.")
