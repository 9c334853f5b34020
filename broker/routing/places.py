"""Rules by path and host, found at a cost that does not grow with their number."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from broker.core.plan import RoutePlan
from broker.routing.conditions import Conditions

_MOST: Final = 1024
_LONGEST: Final = 256
"""Paths of which is kept what they match, and bytes of the longest: callers make them up."""


@dataclass(slots=True)
class Rule:
    """A route's match and what it leads to."""

    host: str | None
    path: bytes
    conditions: Conditions
    plan: RoutePlan


@dataclass(slots=True)
class Place:
    """The rules of one path (exact or prefix), by host."""

    exact: dict[str, list[Rule]] = field(default_factory=dict)
    wildcard: dict[str, list[Rule]] = field(default_factory=dict)
    anyhost: list[Rule] = field(default_factory=list)

    def add(self, rule: Rule) -> None:
        """Take a rule in, behind those with more conditions."""
        if rule.host is None:
            rules = self.anyhost
        elif rule.host.startswith("*."):
            rules = self.wildcard.setdefault(rule.host[1:], [])
        else:
            rules = self.exact.setdefault(rule.host, [])
        rules.append(rule)
        rules.sort(key=lambda one: -one.conditions.count)

    def candidates(self, host: str) -> Iterator[list[Rule]]:
        """The rules for a host, most specific first."""
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


class Places:
    """Exact paths and prefixes."""

    def __init__(self) -> None:
        self._exact: dict[bytes, Place] = {}
        self._prefix: dict[bytes, Place] = {}
        self._depth = 0
        self._known: dict[bytes, list[Place]] = {}
        """What was found for paths of late: few are called often."""

    def add(self, path: bytes, rule: Rule) -> None:
        """Take a rule in under a path: its own, or another spelling of it."""
        places = self._exact
        if rule.path.endswith(b"/"):
            places = self._prefix
            self._depth = max(self._depth, path.count(b"/"))
        places.setdefault(path, Place()).add(rule)
        self._known.clear()

    def of(self, path: bytes) -> Sequence[Place]:
        """The places that a path matches, most specific first."""
        found = self._known.get(path)
        if found is None:
            found = self._look_up(path)
            if len(path) <= _LONGEST:
                if len(self._known) >= _MOST:
                    self._known.clear()
                self._known[path] = found
        return found

    def _look_up(self, path: bytes) -> list[Place]:
        found: list[Place] = []
        prefix = self._prefix
        at = 0
        # Prefixes end behind a slash, and none is deeper than the deepest that is configured.
        for _ in range(self._depth):
            at = path.find(b"/", at) + 1
            if not at:
                break
            if (place := prefix.get(path[:at])) is not None:
                found.append(place)
        if (place := self._exact.get(path)) is not None:
            found.append(place)
        found.reverse()
        return found

    @property
    def nested(self) -> bool:
        """Whether a path of one place lies below another's."""
        return any(len(self.of(path)) > 1 for path in (*self._exact, *self._prefix))
