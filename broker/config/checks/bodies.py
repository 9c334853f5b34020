"""Bodies that may each be larger than all that are held back at a time."""

from collections.abc import Iterator

from broker.config.draft import Draft
from broker.config.faults import Loc, Problem, render_path, warning
from broker.config.model import HmacCaller, Limits, Upstream
from broker.config.partial import rule
from broker.config.scalars import size_text


def held_bodies(draft: Draft) -> Iterator[Problem]:
    """Limits of one body above `limits.held_bodies`: there is never room for the largest that they allow."""
    limits = draft.limits
    if limits is None:
        return
    for name, upstream in draft.upstreams.items():
        yield from _of_upstream(limits, upstream, ("upstreams", name, "http"))
    for name, caller in draft.callers.items():
        if isinstance(caller, HmacCaller):
            yield from _of_caller(limits, caller, ("callers", name))


@rule
def _of_upstream(limits: Limits, upstream: Upstream, at: Loc) -> Iterator[Problem]:
    http = upstream.http
    if http is not None and http.holds_bodies:
        yield from _above(limits, http.spool, (*at, "spool"), written="spool" in http.model_fields_set)


@rule
def _of_caller(limits: Limits, caller: HmacCaller, at: Loc) -> Iterator[Problem]:
    yield from _above(limits, caller.max_body, (*at, "max_body"), written="max_body" in caller.model_fields_set)


def _above(limits: Limits, one: int, at: Loc, *, written: bool) -> Iterator[Problem]:
    if one <= limits.held_bodies:
        return
    if written:
        most = size_text(limits.held_bodies)
        yield warning(at, f"is above `limits.held_bodies`, {most}: a larger body than that is always refused")
    else:
        text = f"one body may be larger than that: {render_path(at)} is {size_text(one)} by default"
        yield warning(("limits", "held_bodies"), text)
