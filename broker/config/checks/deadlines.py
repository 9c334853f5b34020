"""Retries for which the deadline of the call leaves no time."""

from collections.abc import Iterable, Iterator

from broker.config.draft import Draft
from broker.config.faults import Loc, Problem, warning
from broker.config.model import Route, Upstream
from broker.config.partial import knows, rule
from broker.config.policy import Retry
from broker.core.deadlines import DEADLINE, LONGEST_BACKOFF, RETRY_RESERVE, SOAP_DEADLINE


def retries(draft: Draft) -> Iterator[Problem]:
    """Retries that could never be made, or not after all of the time that connecting may take."""
    for name, upstream in draft.upstreams.items():
        at: Loc = ("upstreams", name)
        routes = draft.routes_of.get(name, [])
        yield from _longest(upstream, (*at, "retry", "backoff"))
        usual = default_deadlines(route for _, route in routes)
        yield from _usual_connecting(upstream, usual, (*at, "timeouts", "connect"))
        yield from _usual_waiting(upstream, usual, (*at, "retry", "backoff"))
        for index, route in routes:
            for one in (_no_retry, _connecting, _waiting):
                yield from one(upstream, route, ("routes", index, "deadline"))


def default_deadlines(routes: Iterable[Route]) -> list[float]:
    """Seconds that calls have on those routes that say nothing; where they may be SOAP or not, as if they were not."""
    silent = (route for route in routes if knows(route, "deadline", "match") and route.deadline is None)
    actions = (route.match.soap_action for route in silent if knows(route.match, "soap_action"))
    return [DEADLINE if action is None else SOAP_DEADLINE for action in actions]


@rule
def _no_retry(upstream: Upstream, route: Route, at: Loc) -> Iterator[Problem]:
    if _retried(upstream) is not None and route.deadline is not None and route.deadline <= RETRY_RESERVE:
        yield Problem(at, f"no call is made again: a retry needs more than {RETRY_RESERVE:g}s")


@rule
def _connecting(upstream: Upstream, route: Route, at: Loc) -> Iterator[Problem]:
    deadline = route.deadline
    if deadline is None or deadline <= RETRY_RESERVE or not _connect_leaves_none(upstream, deadline):
        return
    connect = upstream.timeouts.connect
    text = f"leaves no time for a retry: connecting alone may take {connect:g}s (`timeouts.connect`{{}})"
    text += f", and a retry needs more than {RETRY_RESERVE:g}s"
    if _wrote_connect(upstream):
        yield Problem(at, text.format(""))
    else:
        yield warning(at, text.format(", by default"))


@rule
def _waiting(upstream: Upstream, route: Route, at: Loc) -> Iterator[Problem]:
    wait, deadline = _written_backoff(upstream), route.deadline
    if wait is not None and deadline is not None and wait >= deadline:
        yield Problem(at, f"is no longer than the wait before a retry may be, {wait:g}s (`retry.backoff`)")


@rule
def _usual_connecting(upstream: Upstream, deadlines: list[float], at: Loc) -> Iterator[Problem]:
    if not deadlines or not _wrote_connect(upstream):
        return
    if _connect_leaves_none(upstream, min(deadlines)):
        yield Problem(at, f"leaves no time for a retry within the {min(deadlines):g}s that calls have by default")
    elif _connect_leaves_none(upstream, SOAP_DEADLINE):
        yield warning(at, f"leaves no time for a retry within the {SOAP_DEADLINE:g}s that SOAP calls have by default")


@rule
def _usual_waiting(upstream: Upstream, deadlines: list[float], at: Loc) -> Iterator[Problem]:
    wait = _written_backoff(upstream)
    if wait is not None and deadlines and wait >= min(deadlines):
        yield Problem(at, f"is no shorter than the {min(deadlines):g}s that calls have by default")


@rule
def _longest(upstream: Upstream, at: Loc) -> Iterator[Problem]:
    retry = upstream.retry
    if retry is not None and retry.backoff > LONGEST_BACKOFF:
        yield warning(at, f"no wait is longer than {LONGEST_BACKOFF:g}s")


def _retried(upstream: Upstream) -> Retry | None:
    """The settings of retries, where there are any to be made."""
    return upstream.retry if upstream.retry is not None and upstream.retry.attempts > 1 else None


def _connect_leaves_none(upstream: Upstream, deadline: float) -> bool:
    """Whether a connection that fails in all of its time is one for which the call is not made again.

    As `Backoff.delay` has it: with no more left than the reserve there is no retry.
    """
    retry = _retried(upstream)
    if retry is None or "connect_failed" not in retry.on:
        return False
    return deadline - upstream.timeouts.connect <= RETRY_RESERVE


def _wrote_connect(upstream: Upstream) -> bool:
    return "connect" in upstream.timeouts.model_fields_set


def _written_backoff(upstream: Upstream) -> float | None:
    retry = _retried(upstream)
    return retry.backoff if retry is not None and "backoff" in retry.model_fields_set else None
