"""Limits of calls under way, queues and circuit breakers that contradict each other, or do nothing."""

from collections.abc import Iterator

from broker.config.checks.deadlines import default_deadlines
from broker.config.draft import Draft
from broker.config.faults import Loc, Problem, warning
from broker.config.model import Route, Upstream
from broker.config.partial import rule


def policies(draft: Draft) -> Iterator[Problem]:
    """Queues without a limit, or longer than a call; limits that exclude each other, or are never reached."""
    for name, upstream in draft.upstreams.items():
        at: Loc = ("upstreams", name)
        for one in (_either, _adaptive, _never_open, _no_share):
            yield from one(upstream, at)
        found = draft.routes_of.get(name, [])
        routes = [route for _, route in found]
        if draft.routes_known:
            yield from _unbounded(upstream, routes, at)
        yield from _all_in_the_queue(upstream, default_deadlines(routes), (*at, "queue", "wait"))
        for index, route in found:
            yield from _queued(upstream, route, ("routes", index, "deadline"))
            yield from _never_reached(upstream, route, ("routes", index, "max_concurrency"))


@rule
def _unbounded(upstream: Upstream, routes: list[Route], at: Loc) -> Iterator[Problem]:
    bounds = (upstream.max_concurrency, upstream.adaptive_concurrency, *(route.max_concurrency for route in routes))
    if upstream.queue is not None and all(bound is None for bound in bounds):
        yield Problem(
            (*at, "queue"),
            "calls wait only where `max_concurrency` or `adaptive_concurrency` bounds how many are made at a time",
        )


@rule
def _either(upstream: Upstream, at: Loc) -> Iterator[Problem]:
    if upstream.adaptive_concurrency is not None and upstream.max_concurrency is not None:
        yield Problem((*at, "max_concurrency"), "is found out by `adaptive_concurrency`: say one of them")


@rule
def _adaptive(upstream: Upstream, at: Loc) -> Iterator[Problem]:
    adaptive = upstream.adaptive_concurrency
    if adaptive is not None and adaptive.least > adaptive.most:
        yield Problem((*at, "adaptive_concurrency", "least"), f"is above `most`, which is {adaptive.most}")


@rule
def _never_open(upstream: Upstream, at: Loc) -> Iterator[Problem]:
    breaker = upstream.circuit_breaker
    if breaker is not None and not breaker.failures and not breaker.share:
        yield Problem((*at, "circuit_breaker"), "would never open: say `failures` or `share`")


@rule
def _no_share(upstream: Upstream, at: Loc) -> Iterator[Problem]:
    breaker = upstream.circuit_breaker
    if breaker is not None and not breaker.share and breaker.failures and "calls" in breaker.model_fields_set:
        yield warning((*at, "circuit_breaker", "calls"), "says nothing without `share`")


@rule
def _queued(upstream: Upstream, route: Route, at: Loc) -> Iterator[Problem]:
    queue, deadline = upstream.queue, route.deadline
    if queue is not None and deadline is not None and queue.wait >= deadline:
        yield warning(at, f"a call may spend all of it in the queue (`queue.wait` is {queue.wait:g}s)")


@rule
def _all_in_the_queue(upstream: Upstream, deadlines: list[float], at: Loc) -> Iterator[Problem]:
    if upstream.queue is not None and deadlines and upstream.queue.wait >= min(deadlines):
        yield warning(at, f"a call may spend all of the {min(deadlines):g}s in the queue that it has by default")


@rule
def _never_reached(upstream: Upstream, route: Route, at: Loc) -> Iterator[Problem]:
    adaptive, most, where = upstream.adaptive_concurrency, upstream.max_concurrency, "max_concurrency"
    if adaptive is not None:
        most, where = adaptive.most, "adaptive_concurrency.most"
    if route.max_concurrency is not None and most is not None and route.max_concurrency > most:
        yield warning(at, f"is above `{where}` of its upstream, {most}: no more than that are ever under way")
