"""Addresses that cannot be listened on at the same time."""

from collections.abc import Iterator
from itertools import combinations

from broker.config.draft import Draft
from broker.config.faults import Loc, Problem
from broker.config.model import BindAddress
from broker.config.partial import knows


def taken_ports(draft: Draft) -> Iterator[Problem]:
    """Listeners (and the admin API) that would take the same port of the same address."""
    places: list[tuple[Loc, BindAddress]] = [
        (("listeners", name, "bind"), listener.bind)
        for name, listener in draft.listeners.items()
        if knows(listener, "bind")
    ]
    if draft.admin is not None and knows(draft.admin, "bind"):
        places.append((("admin", "bind"), draft.admin.bind))
    for (_, one), (loc, other) in combinations(places, 2):
        if one.port and one.port == other.port and _same_host(one.host, other.host):
            yield Problem(loc, f"{one} is taken by another listener")


def _same_host(one: str, other: str) -> bool:
    if one == other:
        return True
    wildcard = "::" if ":" in one or ":" in other else "0.0.0.0"  # noqa: S104  compared, not bound
    return wildcard in (one, other) and (":" in one) == (":" in other)
