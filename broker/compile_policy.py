"""From limits in the configuration to the gate that a route's calls pass."""

from math import inf

from broker.compile_credentials import LIMITS
from broker.compile_targets import choose_targets
from broker.config.model import Config, Route
from broker.config.model import Upstream as UpstreamConfig
from broker.core.plan import UpstreamPort
from broker.policy.bulkhead import Bulkhead, BulkheadSettings
from broker.policy.fair_queue import Priority
from broker.policy.gate import Gate, Meter
from broker.policy.registry import Registry
from broker.policy.retry import Backoff
from broker.upstream.retrying import RetryingUpstream, RetrySettings
from broker.upstream.send import Upstream


def make_gate(config: Config, route: Route, registry: Registry) -> Gate:
    """The gate of a route: its limits, and the pauses that its upstream may ask for."""
    upstream = config.upstreams[route.upstream]
    callers = [] if route.callers == "public" else list(route.callers)
    meters = []
    if route.rate is not None:
        bucket = registry.bucket(("route", route.name), route.rate)
        meters.append(Meter(bucket, route.rate.burst, "The route takes no more calls now."))
    if upstream.rate is not None:
        bucket = registry.bucket(("upstream", route.upstream), upstream.rate)
        meters.append(Meter(bucket, upstream.rate.burst, "The upstream takes no more calls now.", shared=True))
    own = {}
    for name in callers:
        rate = config.callers[name].rate
        if rate is not None:
            bucket = registry.bucket(("caller", name), rate)
            own[name] = Meter(bucket, rate.burst, "The caller makes too many calls.")
    priorities = {
        name: Priority[given.upper()] for name in callers if (given := config.callers[name].priority) is not None
    }
    return Gate(
        meters,
        own,
        _bulkheads(config, route, registry),
        Priority[(route.priority or "medium").upper()],
        priorities,
        registry.pauses,
        route.upstream,
        route.name,
    )


def _bulkheads(config: Config, route: Route, registry: Registry) -> list[Bulkhead]:
    """The route's, then the upstream's; a route's calls wait as those of its upstream do."""
    upstream = config.upstreams[route.upstream]
    queue = upstream.queue
    size, wait = (queue.size, queue.wait) if queue is not None else (0, inf)
    found = []
    if route.max_concurrency is not None:
        found.append(registry.bulkhead(("route", route.name), BulkheadSettings(route.max_concurrency, size, wait)))
    if upstream.max_concurrency is not None:
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
        limits=base.hold_limits or LIMITS,
    )
    return RetryingUpstream(target, base, settings, registry.budget(("upstream", name), retry.budget))


def guard(upstream: Upstream, config: UpstreamConfig, registry: Registry) -> None:
    """Give an upstream the choice among its targets with all that watches over them, and the pauses it may ask for."""
    upstream.pauses = registry.pauses
    choose_targets(upstream, config, registry)
