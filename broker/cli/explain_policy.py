"""What protects a call and the service that it goes to, in words."""

from typing import Final

from broker.compile_targets import ejection_of
from broker.config.model import Config, Route, Upstream
from broker.core.rates import Rate

_ROUNDING: Final = 1e-6


def fallback(upstream: Upstream) -> str:
    """The targets that are asked only while no other is usable; empty where there are none."""
    return ", ".join(map(str, upstream.fallback))


def limits(config: Config, route: Route) -> str:
    """How many calls there may be: in a time, and at a time."""
    upstream = config.upstreams[route.upstream]
    callers = [] if route.callers == "public" else route.callers
    rates = [(f"caller {name}", config.callers[name].rate) for name in callers]
    rates += [("the route", route.rate), ("the upstream", upstream.rate)]
    parts = [f"{_in_words(rate)} for {whose}" for whose, rate in rates if rate is not None]
    parts += [f"{most} at a time for the route" for most in [route.max_concurrency] if most is not None]
    parts += _at_a_time(upstream)
    queue = upstream.queue
    if queue is not None:
        parts.append(f"{queue.size} may wait for {queue.wait:g}s")
    if route.max_body is not None:
        parts.append(f"bodies of {route.max_body} bytes")
    return ", ".join(parts) or "none"


def _in_words(rate: Rate) -> str:
    """As the file would have it: in the smallest unit that has whole numbers."""
    shown = ((rate.per_second * seconds, unit) for unit, seconds in (("s", 1), ("m", 60), ("h", 3600)))
    times, unit = next((each for each in shown if abs(each[0] - round(each[0])) < _ROUNDING), (rate.per_second, "s"))
    return f"{times:.6g}/{unit} burst {rate.burst:g}"


def _at_a_time(upstream: Upstream) -> list[str]:
    adaptive = upstream.adaptive_concurrency
    if adaptive is not None:
        return [f"{adaptive.least} to {adaptive.most} at a time for the upstream, as it bears"]
    most = upstream.max_concurrency
    return [] if most is None else [f"{most} at a time for the upstream"]


def failures(upstream: Upstream) -> str:
    """What is done when a call fails, and about a target whose calls keep failing."""
    retry, breaker, health = upstream.retry, upstream.circuit_breaker, upstream.health
    ejection = ejection_of(upstream)
    parts = []
    if retry is not None:
        parts.append(f"{retry.attempts} attempts on {', '.join(retry.on)}")
    if breaker is not None:
        when = [f"{breaker.failures} failures in a row"] if breaker.failures else []
        when += [f"{breaker.share:.0%} failures"] if breaker.share is not None else []
        parts.append(f"circuit open for {breaker.open_for:g}s after {' or '.join(when)}")
    if ejection is not None:
        parts.append(f"target ejected for {ejection.time:g}s after {ejection.failures} failures in a row")
    if health is not None:
        parts.append(f"targets checked every {health.interval:g}s")
    return "; ".join(parts) or "told to the caller"
