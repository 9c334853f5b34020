"""Limits and retries that contradict each other."""

from collections.abc import Iterator

from broker.config.draft import Draft
from broker.config.faults import Loc, Problem, warning
from broker.config.model import Upstream


def policies(draft: Draft) -> Iterator[Problem]:
    """Queues without a limit, and retries that cannot fit into a deadline."""
    for name, upstream in draft.upstreams.items():
        at: Loc = ("upstreams", name)
        if upstream.queue is not None and upstream.max_concurrency is None:
            yield Problem((*at, "queue"), "calls wait only where `max_concurrency` says how many are made at a time")
        breaker = upstream.circuit_breaker
        if breaker is not None and not breaker.failures and breaker.share is None:
            yield Problem((*at, "circuit_breaker"), "would never open: say `failures` or `share`")
    for index, route in draft.routes:
        called = draft.upstreams.get(route.upstream)
        if called is not None and route.deadline is not None:
            yield from _fits(called, route.deadline, ("routes", index, "deadline"))


def _fits(upstream: Upstream, deadline: float, at: Loc) -> Iterator[Problem]:
    retry, times = upstream.retry, upstream.timeouts
    if retry is not None and retry.attempts > 1 and deadline <= times.connect:
        yield Problem(
            at, f"leaves no time for a retry: connecting alone may take {times.connect:g}s (`timeouts.connect`)"
        )
    if upstream.queue is not None and upstream.queue.wait >= deadline:
        yield warning(at, f"a call may spend all of it in the queue (`queue.wait` is {upstream.queue.wait:g}s)")
