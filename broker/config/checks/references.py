"""Names that one part of the file uses for another."""

from collections.abc import Iterator

from broker.config.draft import Draft
from broker.config.faults import Loc, Problem, did_you_mean, warning
from broker.config.model import AllOfCaller, Route


def references(draft: Draft) -> Iterator[Problem]:
    """Routes whose listener, upstream or callers are not there."""
    for index, route in draft.routes:
        at: Loc = ("routes", index)
        yield from _known(draft, "upstreams", route.upstream, (*at, "upstream"))
        yield from _listener(draft, route, at)
        for position, caller in enumerate(_callers(route)):
            yield from _known(draft, "callers", caller, (*at, "callers", position))


def unused(draft: Draft) -> Iterator[Problem]:
    """Parts that no route uses; silent while some routes cannot be read."""
    if not draft.whole:
        return
    yield from _unused(draft, "upstreams", {route.upstream for _, route in draft.routes})
    yield from _unused(draft, "callers", used_callers(draft))
    if all(route.listener for _, route in draft.routes):
        yield from _unused(draft, "listeners", {route.listener or "" for _, route in draft.routes})


def used_callers(draft: Draft) -> set[str]:
    """Callers of routes, and those that they are made of."""
    used = {name for _, route in draft.routes for name in _callers(route)}
    for name in list(used):
        caller = draft.callers.get(name)
        if isinstance(caller, AllOfCaller):
            used.update(caller.of)
    return used


def _listener(draft: Draft, route: Route, at: Loc) -> Iterator[Problem]:
    if route.listener is not None:
        yield from _known(draft, "listeners", route.listener, (*at, "listener"))
    elif len(draft.names["listeners"]) > 1:
        names = ", ".join(list(draft.names["listeners"])[:5])
        yield Problem((*at, "listener"), f"required, as there are several listeners: {names}")


def _known(draft: Draft, section: str, name: str, loc: Loc) -> Iterator[Problem]:
    names = draft.names[section]
    if name not in names:
        yield Problem(loc, f"no such entry in `{section}`{did_you_mean(name, names)}")


def _unused(draft: Draft, section: str, used: set[str]) -> Iterator[Problem]:
    for name in draft.names[section]:
        if name not in used:
            yield warning((section, name), "no route uses it")


def _callers(route: Route) -> list[str]:
    return [] if isinstance(route.callers, str) else route.callers
