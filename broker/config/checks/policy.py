"""Limits and retries that contradict each other."""

from collections.abc import Iterator

from broker.config.draft import Draft
from broker.config.faults import Loc, Problem, warning
from broker.config.model import Upstream
from broker.core.deadlines import DEADLINE, RETRY_RESERVE


def policies(draft: Draft) -> Iterator[Problem]:
    """Queues without a limit, limits that exclude each other, and retries that cannot fit into a deadline."""
    bounded = {route.upstream for _, route in draft.routes if route.max_concurrency is not None}
    for name, upstream in draft.upstreams.items():
        at: Loc = ("upstreams", name)
        yield from _concurrency(upstream, at, routes_bound=name in bounded)
        breaker = upstream.circuit_breaker
        if breaker is not None and not breaker.failures and not breaker.share:
            yield Problem((*at, "circuit_breaker"), "would never open: say `failures` or `share`")
        elif breaker is not None and not breaker.share and breaker.model_fields_set & {"calls"}:
            yield warning((*at, "circuit_breaker", "calls"), "says nothing without `share`")
        if _no_time(upstream, DEADLINE):
            yield Problem((*at, "timeouts", "connect"), f"leaves no time for a retry within {DEADLINE:g}s")
    for index, route in draft.routes:
        called = draft.upstreams.get(route.upstream)
        if called is not None and route.deadline is not None:
            yield from _fits(called, route.deadline, ("routes", index, "deadline"))


def _concurrency(upstream: Upstream, at: Loc, *, routes_bound: bool) -> Iterator[Problem]:
    adaptive = upstream.adaptive_concurrency
    if upstream.queue is not None and upstream.max_concurrency is None and adaptive is None and not routes_bound:
        yield Problem(
            (*at, "queue"),
            "calls wait only where `max_concurrency` or `adaptive_concurrency` bounds how many are made at a time",
        )
    if adaptive is not None and upstream.max_concurrency is not None:
        yield Problem((*at, "max_concurrency"), "is found out by `adaptive_concurrency`: say one of them")
    if adaptive is not None and adaptive.least > adaptive.most:
        yield Problem((*at, "adaptive_concurrency", "least"), f"is above `most`, which is {adaptive.most}")


def _no_time(upstream: Upstream, deadline: float) -> bool:
    """Whether connecting may take all the time in which a call could be made again."""
    return upstream.retry is not None and upstream.retry.attempts > 1 and deadline <= upstream.timeouts.connect


def _fits(upstream: Upstream, deadline: float, at: Loc) -> Iterator[Problem]:
    if _no_time(upstream, deadline):
        connect = upstream.timeouts.connect
        yield Problem(at, f"leaves no time for a retry: connecting alone may take {connect:g}s (`timeouts.connect`)")
    elif upstream.retry is not None and deadline <= RETRY_RESERVE:
        yield warning(at, f"no call is made again: a retry needs more than {RETRY_RESERVE:g}s")
    if upstream.queue is not None and upstream.queue.wait >= deadline:
        yield warning(at, f"a call may spend all of it in the queue (`queue.wait` is {upstream.queue.wait:g}s)")
