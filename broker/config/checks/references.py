"""Names that one part of the file uses for another."""

from collections.abc import Iterator, Set

from broker.config.draft import Draft
from broker.config.faults import Loc, Problem, did_you_mean, warning
from broker.config.model import AllOfCaller, Route
from broker.config.partial import rule


def references(draft: Draft) -> Iterator[Problem]:
    """Routes whose listener, upstream or callers are not there."""
    for index, route in draft.routes:
        for one in (_upstream, _listener, _each_caller):
            yield from one(draft, route, ("routes", index))


def unused(draft: Draft) -> Iterator[Problem]:
    """Parts that no route uses; silent while it cannot be read what some routes use."""
    if draft.whole:
        for one in (_unused_upstreams, _unused_callers, _unused_listeners):
            yield from one(draft)


def used_callers(draft: Draft) -> set[str]:
    """Callers of routes, and those that they are made of."""
    used = {name for _, route in draft.routes for name in _callers(route)}
    for name in list(used):
        caller = draft.callers.get(name)
        if isinstance(caller, AllOfCaller):
            used.update(caller.of)
    return used


@rule
def _unused_upstreams(draft: Draft) -> Iterator[Problem]:
    yield from _unused(draft, "upstreams", {route.upstream for _, route in draft.routes})


@rule
def _unused_callers(draft: Draft) -> Iterator[Problem]:
    yield from _unused(draft, "callers", used_callers(draft))


@rule
def _unused_listeners(draft: Draft) -> Iterator[Problem]:
    used = {route.listener for _, route in draft.routes}
    if None not in used:
        yield from _unused(draft, "listeners", used)


@rule
def _upstream(draft: Draft, route: Route, at: Loc) -> Iterator[Problem]:
    yield from _known(draft, "upstreams", route.upstream, (*at, "upstream"))


@rule
def _each_caller(draft: Draft, route: Route, at: Loc) -> Iterator[Problem]:
    for position, caller in enumerate(_callers(route)):
        yield from _known(draft, "callers", caller, (*at, "callers", position))


@rule
def _listener(draft: Draft, route: Route, at: Loc) -> Iterator[Problem]:
    if route.listener is not None:
        yield from _known(draft, "listeners", route.listener, (*at, "listener"))
    elif len(draft.names["listeners"]) > 1:
        names = ", ".join(list(draft.names["listeners"])[:5])
        yield Problem((*at, "listener"), f"required, as there are several listeners: {names}")


def _known(draft: Draft, section: str, name: str, loc: Loc) -> Iterator[Problem]:
    names = draft.names[section]
    if name not in names and section not in draft.unread:
        yield Problem(loc, f"no such entry in `{section}`{did_you_mean(name, names)}")


def _unused(draft: Draft, section: str, used: Set[str | None]) -> Iterator[Problem]:
    for name in draft.names[section]:
        if name not in used:
            yield warning((section, name), "no route uses it")


def _callers(route: Route) -> list[str]:
    return [] if isinstance(route.callers, str) else route.callers
