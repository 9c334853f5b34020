"""Upstreams: what their targets, the choice among them and their health checks mean together."""

from collections.abc import Iterator

from broker.config.draft import Draft
from broker.config.faults import Loc, Problem, warning
from broker.config.model import Upstream
from broker.config.partial import rule
from broker.config.shown import certificates_shown, shared


def several_targets(draft: Draft) -> Iterator[Problem]:
    """Settings that contradict each other, or do nothing."""
    for name, upstream in draft.upstreams.items():
        at: Loc = ("upstreams", name)
        for one in (_repeated, _weights, _hash, _no_choice, _ejection, _single, _health):
            yield from one(upstream, at)
        yield from _unshown(draft, upstream, at)


@rule
def _repeated(upstream: Upstream, at: Loc) -> Iterator[Problem]:
    seen: set[tuple[str, int]] = set()
    for key, targets in (("targets", upstream.targets), ("fallback", upstream.fallback)):
        for index, target in enumerate(targets):
            if (target.host, target.port) in seen:
                advice = "; to give it a larger share, use `weights`" if key == "targets" else ""
                yield warning((*at, key, index), f"this target is listed already{advice}")
            seen.add((target.host, target.port))


@rule
def _weights(upstream: Upstream, at: Loc) -> Iterator[Problem]:
    if upstream.weights is not None and len(upstream.weights) != len(upstream.targets):
        yield Problem(
            (*at, "weights"), f"one for each target: {len(upstream.weights)} for {len(upstream.targets)} targets"
        )


@rule
def _hash(upstream: Upstream, at: Loc) -> Iterator[Problem]:
    hashes = upstream.balance == "hash"
    if hashes and upstream.hash_header is None:
        yield Problem((*at, "balance"), "`hash` needs `hash_header`, the header to go by")
    if not hashes and upstream.hash_header is not None:
        yield Problem((*at, "hash_header"), "only `balance: hash` goes by a header")


@rule
def _no_choice(upstream: Upstream, at: Loc) -> Iterator[Problem]:
    if len(upstream.all_targets) == 1 and "balance" in upstream.model_fields_set:
        yield warning((*at, "balance"), "does nothing: there is one target")


@rule
def _ejection(upstream: Upstream, at: Loc) -> Iterator[Problem]:
    if upstream.ejection is not None and upstream.ejection.most < upstream.ejection.time:
        yield Problem((*at, "ejection", "most"), "is shorter than `time`, the first of the times that grow")


@rule
def _single(upstream: Upstream, at: Loc) -> Iterator[Problem]:
    if upstream.ejection is not None and upstream.ejection.failures and len(upstream.all_targets) == 1:
        yield warning((*at, "ejection"), "does nothing: a single target is left alone by `circuit_breaker`")


@rule
def _health(upstream: Upstream, at: Loc) -> Iterator[Problem]:
    health = upstream.health
    if health is None or health.path is not None:
        return
    for key in ("expect", "body"):
        if key in health.model_fields_set:
            yield Problem((*at, "health", key), "needs `path`: without it nothing is asked for, only a connection made")


@rule
def _unshown(draft: Draft, upstream: Upstream, at: Loc) -> Iterator[Problem]:
    """Checks show the certificate that all routes show, else the upstream's own; where that is none, they look bad."""
    own = upstream.tls is not None and upstream.tls.client_certificate is not None
    if upstream.health is None or own:
        return
    shown = certificates_shown((route for _, route in draft.routes_of.get(str(at[-1]), ())), str(at[-1]))
    if shared(shown):
        return
    routes = ", ".join(f"`{name}`" for name, certificate in shown.items() if certificate is not None)
    yield warning(
        (*at, "health"),
        f"the checks show no client certificate, as the routes of this upstream do not all show the same ({routes}): "
        "a target whose TLS asks for one would count as down, and no call be made",
    )
