"""From the configuration to the choice among an upstream's targets, and what watches over them."""

import logging
from itertools import count

from broker.config.model import Upstream as UpstreamConfig
from broker.config.targets import Ejection
from broker.policy.breaker import OnChange
from broker.policy.breaker_settings import BreakerSettings, State
from broker.policy.health import Health, HealthSettings, OnHealth
from broker.policy.pause import TargetPauses
from broker.policy.registry import Registry
from broker.upstream.checks import CheckSettings
from broker.upstream.send import Upstream
from broker.upstream.targets import Endpoint, Targets

log = logging.getLogger(__name__)


def choose_targets(upstream: Upstream, config: UpstreamConfig, registry: Registry) -> None:
    """Give an upstream the choice among its targets, with their breakers, their health and its checks.

    One whose only target nothing watches over keeps its short way.
    """
    watched, breaker = _watched(config), _breaker(config)
    targets = config.all_targets
    if len(targets) == 1 and watched is None and breaker is None:
        return
    # What checks made of a target must not outlast the checks: nothing else would ever say that it is up again.
    kind = "unchecked" if config.health is None else "checked"
    weights = [*(config.weights or [1] * len(config.targets)), *([1] * len(config.fallback))]
    endpoints: list[Endpoint] = []
    healths: list[Health] = []
    for at, (target, weight) in enumerate(zip(targets, weights, strict=True)):
        address = str(target)
        health: Health | None = None
        if watched is not None:
            health = registry.health((kind, upstream.name, address), watched, _health_told(upstream.name, address))
            healths.append(health)
        endpoints.append(
            Endpoint(
                at,
                _name(f"{target.host}:{target.port}", endpoints),
                weight=weight,
                fallback=at >= len(config.targets),
                health=health,
                breaker=None
                if breaker is None
                else registry.breaker(("target", upstream.name, address), breaker, _told(upstream.name, address)),
            )
        )
    upstream.targets = Targets(
        endpoints,
        config.balance,
        config.hash_header,
        TargetPauses(registry.pauses, upstream.name),
        0.0 if config.health is None else config.health.interval,
    )
    if config.health is not None:
        upstream.watch(healths, _check(config))


def _watched(config: UpstreamConfig) -> HealthSettings | None:
    """How health is made of calls and checks; None where neither says anything."""
    health, ejects = config.health, ejection_of(config)
    if health is None and ejects is None:
        return None
    ejection = ejects or Ejection()
    return HealthSettings(
        failures=0 if ejects is None else ejects.failures,
        eject_for=ejection.time,
        eject_most=ejection.most,
        slow_start=config.slow_start,
        rise=1 if health is None else health.rise,
        fall=1 if health is None else health.fall,
    )


def ejection_of(config: UpstreamConfig) -> Ejection | None:
    """When calls eject a target; None where they never do: one that is alone is asked whatever happens."""
    ejection = config.ejection
    if ejection is None and config.circuit_breaker is None:
        # A breaker that somebody asked for leaves targets alone in its own way.
        ejection = Ejection()
    return ejection if ejection is not None and ejection.failures and len(config.all_targets) > 1 else None


def _check(config: UpstreamConfig) -> CheckSettings:
    health = config.health
    assert health is not None  # noqa: S101 - asked before
    return CheckSettings(
        interval=health.interval,
        timeout=health.timeout,
        path=(health.path or "").encode(),
        host=b"" if config.host_header in ("target", "caller") else config.host_header.encode(),
        statuses=frozenset(health.expect),
        text=(health.body or "").encode(),
    )


def _breaker(config: UpstreamConfig) -> BreakerSettings | None:
    breaker = config.circuit_breaker
    if breaker is None:
        return None
    return BreakerSettings(
        failures=breaker.failures,
        share=breaker.share or 0.0,
        window=breaker.window,
        calls=breaker.calls,
        open_for=breaker.open_for,
        probes=breaker.probes,
    )


def _told(upstream: str, target: str) -> OnChange:
    def told(old: State, new: State, why: str) -> None:
        log.warning(
            "circuit %s: %s",
            new.label,
            why,
            extra={"event": "circuit", "upstream": upstream, "target": target, "was": old.label, "is": new.label},
        )

    return told


def _health_told(upstream: str, target: str) -> OnHealth:
    def told(usable: bool, why: str) -> None:
        event = "target_up" if usable else "target_down"
        log.log(
            logging.INFO if usable else logging.WARNING,
            "target %s",
            "up" if usable else "down",
            extra={"event": event, "upstream": upstream, "target": target, "cause": why},
        )

    return told


def _name(address: str, others: list[Endpoint]) -> str:
    """The address; for a target that is listed again, with its number."""
    taken = {other.name for other in others}
    return next(name for number in count(1) if (name := f"{address}#{number}" if number > 1 else address) not in taken)
