"""Routes that contradict each other or themselves."""

from collections import defaultdict
from collections.abc import Iterator
from itertools import combinations

from broker.config.draft import Draft
from broker.config.faults import Loc, Problem
from broker.config.model import Match, Route
from broker.config.partial import Partial, knows, rule

Entry = tuple[int, Route]


def names(draft: Draft) -> Iterator[Problem]:
    """Names given twice."""
    seen: set[str] = set()
    for index, route in draft.routes:
        if knows(route, "name"):
            if route.name in seen:
                yield Problem(("routes", index, "name"), f"another route is named {route.name}")
            seen.add(route.name)


def replacements(draft: Draft) -> Iterator[Problem]:
    """Prefixes replaced by what is no prefix: the rest of the path would stick to its last segment."""
    for index, route in draft.routes:
        yield from _replaced(route, ("routes", index, "path"))


def ambiguous(draft: Draft) -> Iterator[Problem]:
    """Routes of the same rank that one request could match: nothing would decide between them."""
    groups: dict[tuple[str | None, str | None, str, int], list[Entry]] = defaultdict(list)
    for entry in draft.routes:
        if not knows(entry[1], "match", "listener") or isinstance(entry[1].match, Partial):
            continue
        match = entry[1].match
        groups[_listener(draft, entry[1]), match.host, match.path, match.conditions].append(entry)
    for group in groups.values():
        for clashing in _split(group):
            yield from _clashes(clashing)


def overlap(one: Match, other: Match) -> bool:
    """Whether a request can satisfy the methods, SOAP action and headers of both."""
    if one.methods and other.methods and not set(one.methods) & set(other.methods):
        return False
    facts, others = _facts(one), _facts(other)
    return all(others.get(name, value) == value for name, value in facts.items())


@rule
def _replaced(route: Route, at: Loc) -> Iterator[Problem]:
    if route.path is not None and route.match.path.endswith("/") and not route.path.endswith("/"):
        yield Problem(at, "must end in /, as match.path does")


def _listener(draft: Draft, route: Route) -> str | None:
    names = draft.names["listeners"]
    return next(iter(names)) if route.listener is None and len(names) == 1 else route.listener


def _clashes(group: list[Entry]) -> Iterator[Problem]:
    reported: set[int] = set()
    for (first, one), (index, other) in combinations(group, 2):
        if index not in reported and overlap(one.match, other.match):
            reported.add(index)
            called = f"route {one.name}" if knows(one, "name") else f"routes[{first}]"
            yield Problem(
                ("routes", index, "match"), f"{called} takes the same requests; add a condition to one of them"
            )


def _split(group: list[Entry]) -> Iterator[list[Entry]]:
    """Parts between which no request is shared, found without comparing every pair."""
    if len(group) < 2:
        return
    facts = [_facts(route.match) for _, route in group]
    for name in set(facts[0]).intersection(*facts[1:]):
        parts: dict[str, list[Entry]] = defaultdict(list)
        for entry, its in zip(group, facts, strict=True):
            parts[its[name]].append(entry)
        if len(parts) > 1:
            for part in parts.values():
                yield from _split(part)
            return
    yield group


def _facts(match: Match) -> dict[str, str]:
    action = {} if match.soap_action is None else {" soap_action": match.soap_action}
    return {**match.headers, **action}
