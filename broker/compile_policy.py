"""From limits in the configuration to the gate that a route's calls pass."""

from collections import defaultdict
from collections.abc import Mapping, Set
from math import inf

from broker.callers.address import client_key
from broker.compile_callers import CallerLimits, priority_named, tokens_of
from broker.compile_credentials import limits_of
from broker.compile_targets import choose_targets
from broker.config.model import Config, Route
from broker.config.model import Upstream as UpstreamConfig
from broker.core.exchange import Exchange
from broker.core.plan import UpstreamPort
from broker.core.rates import Rate
from broker.policy.adaptive_settings import AdaptiveSettings
from broker.policy.bulkhead import Bulkhead, BulkheadSettings
from broker.policy.fair_queue import Priority
from broker.policy.gate import Gate
from broker.policy.idempotency import IdempotencySettings
from broker.policy.meter import Meter, share_of
from broker.policy.registry import Registry
from broker.policy.retry import Backoff
from broker.upstream.idempotent import IdempotentUpstream
from broker.upstream.idempotent_call import IdempotencyKeys
from broker.upstream.retrying import RetryingUpstream, RetrySettings
from broker.upstream.send import Upstream

Priorities = Mapping[str, Set[Priority]]
"""By upstream: which priorities the calls to it can have."""


def priorities_of(config: Config) -> Priorities:
    """What `make_gate` has to know of all routes."""
    found: defaultdict[str, set[Priority]] = defaultdict(set)
    for route in config.routes:
        callers = [] if route.callers == "public" else route.callers
        given = [config.callers[name].priority for name in callers if name in config.callers] or [None]
        found[route.upstream] |= {priority_named(own or route.priority) for own in given}
    return found


def make_gate(config: Config, route: Route, registry: Registry, priorities: Priorities, callers: CallerLimits) -> Gate:
    """The gate of a route: its limits, and the pauses that its upstream may ask for."""
    upstream = config.upstreams[route.upstream]
    own, of_callers = callers.of(() if route.callers == "public" else tuple(route.callers))
    meters = []
    if route.rate is not None:
        tokens = tokens_of(("route", route.name), route.rate, registry)
        meters.append(Meter(tokens, "The route takes no more calls now."))
    if upstream.rate is not None:
        meters.append(_common(route.upstream, upstream.rate, registry, priorities[route.upstream]))
    return Gate(
        meters,
        own,
        _bulkheads(config, route, registry),
        priority_named(route.priority),
        of_callers,
        registry.pauses,
        route.upstream,
        route.name,
        registry.shared,
    )


def _common(upstream: str, rate: Rate, registry: Registry, priorities: Set[Priority]) -> Meter:
    """What calls of all priorities take from; who has nobody above leaves nothing, and needs no share."""
    shares = {
        priority: tokens_of(("share", priority.name.lower(), upstream), share_of(rate, priority), registry)
        for priority in priorities
        if priority > min(priorities)
    }
    tokens = tokens_of(("upstream", upstream), rate, registry)
    return Meter(tokens, "The upstream takes no more calls now.", shares)


def _bulkheads(config: Config, route: Route, registry: Registry) -> list[Bulkhead]:
    """The route's, then the upstream's; a route's calls wait as those of its upstream do."""
    upstream = config.upstreams[route.upstream]
    queue = upstream.queue
    size, wait = (queue.size, queue.wait) if queue is not None else (0, inf)
    found = []
    if route.max_concurrency is not None:
        found.append(registry.bulkhead(("route", route.name), BulkheadSettings(route.max_concurrency, size, wait)))
    adaptive = upstream.adaptive_concurrency
    if adaptive is not None:
        way = AdaptiveSettings(adaptive.least, adaptive.most, adaptive.tolerance, adaptive.measure_every)
        settings = BulkheadSettings(adaptive.least, size, wait, adaptive=way)
        found.append(registry.bulkhead(("upstream", route.upstream), settings))
    elif upstream.max_concurrency is not None:
        settings = BulkheadSettings(upstream.max_concurrency, size, wait)
        found.append(registry.bulkhead(("upstream", route.upstream), settings))
    return found


def with_retries(
    target: UpstreamPort, base: Upstream, config: UpstreamConfig, name: str, registry: Registry
) -> UpstreamPort:
    """The upstream, made patient where `retry` asks for it."""
    retry = config.retry
    if retry is None:
        return target
    settings = RetrySettings(
        attempts=retry.attempts,
        connect="connect_failed" in retry.on,
        reset="reset" in retry.on,
        statuses=frozenset(int(on) for on in retry.on if on.isdecimal()),
        backoff=Backoff(base=retry.backoff),
        limits=limits_of(base),
    )
    return RetryingUpstream(target, base, settings, registry.budget(("upstream", name), retry.budget))


def with_idempotency_keys(target: UpstreamPort, base: Upstream, route: Route, keys: IdempotencyKeys) -> UpstreamPort:
    """The upstream, asked once for each `Idempotency-Key` where the route wants that."""
    if not route.idempotency_key:
        return target
    # Strangers have no name; one of them must not get another's answer by guessing a key.
    whose = client_key if route.callers == "public" else _caller
    return IdempotentUpstream(target, base, limits_of(base), keys, whose)


def _caller(exchange: Exchange) -> str:
    return exchange.caller


def idempotency_settings(config: Config) -> IdempotencySettings:
    """How keys are remembered."""
    keys = config.idempotency_keys
    return IdempotencySettings(keys.window, keys.entries, keys.memory, keys.answer, keys.wait)


def guard(upstream: Upstream, config: UpstreamConfig, registry: Registry) -> None:
    """Give an upstream the choice among its targets with all that watches over them, and the pauses it may ask for."""
    upstream.pauses = registry.pauses
    upstream.held_bodies = registry.held_bodies
    choose_targets(upstream, config, registry)
