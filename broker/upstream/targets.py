"""The choice among an upstream's targets: who is asked, who is told how it went, and what is said when nobody can be.

The variants of an upstream share it: what a call over one connection shows of a target holds for all of them.
"""

from collections.abc import Sequence
from math import inf
from typing import NamedTuple, cast

from broker.core.errors import BrokerError
from broker.core.heads import RequestHead
from broker.policy.balance import PICKERS, Balancer
from broker.policy.balance_pick import Member
from broker.policy.breaker import CircuitBreaker, Permit
from broker.policy.health import Health
from broker.policy.refusal import refusal
from broker.upstream.outcome import Informed
from broker.upstream.pool import Pool

_BY_LOAD = frozenset({"least_requests", "power_of_two"})


class Endpoint(Member):
    """A target; `at` is the place of its pool among the upstream's."""

    __slots__ = ("at", "breaker")

    def __init__(
        self,
        at: int,
        name: str,
        *,
        weight: int = 1,
        fallback: bool = False,
        health: Health | None = None,
        breaker: CircuitBreaker | None = None,
    ) -> None:
        super().__init__(name, weight, int(fallback), health)
        self.at = at
        self.breaker = breaker


class Chosen(NamedTuple):
    """Where a call goes, and who is told how it went."""

    endpoint: Endpoint
    informed: Informed | None


class Targets:
    """The targets of an upstream, and what is known of them."""

    def __init__(
        self, endpoints: Sequence[Endpoint], balance: str = "round_robin", hash_header: str | None = None
    ) -> None:
        """`balance`: one of `PICKERS`; `hash_header`: what `hash` goes by."""
        self._endpoints = endpoints
        self._balancer = Balancer(endpoints, PICKERS[balance])
        self._by_load = balance in _BY_LOAD
        self._hash_header = b"" if hash_header is None else hash_header.lower().encode()
        only = endpoints[0] if len(endpoints) == 1 else None
        self._guarded = only.breaker if only is not None and only.health is None else None
        """The breaker of the only target, where nothing else has a say."""

    def key(self, head: RequestHead) -> bytes:
        """What the choice for this request goes by; empty where it goes by nothing of it."""
        return (head.first(self._hash_header) or b"") if self._hash_header else b""

    def choose(self, key: bytes, tried: Sequence[Endpoint], pools: Sequence[Pool]) -> Chosen | float:
        """One that was not tried, or the seconds until one may be usable: `inf` where nobody knows.

        `pools`: those of the upstream and of each of its variants, in the order of the targets.
        """
        if self._guarded is not None and not tried:
            permit = self._guarded.admit()
            return Chosen(self._endpoints[0], permit) if isinstance(permit, Permit) else permit
        if self._by_load:
            self._count(pools)
        soonest, without = inf, tried
        while (member := self._balancer.pick(key, without)) is not None:
            endpoint = cast("Endpoint", member)
            if endpoint.breaker is None:
                return Chosen(endpoint, endpoint.health)
            permit = endpoint.breaker.admit()
            if isinstance(permit, Permit):
                return Chosen(endpoint, permit if endpoint.health is None else _Both(endpoint.health, permit))
            soonest = min(soonest, permit)
            without = [*without, endpoint]
        ejected = [left for each in self._endpoints if each.health is not None and (left := each.health.left())]
        return min([soonest, *ejected])

    def refusal(self, seconds: float) -> BrokerError:
        """What a call is told when `choose` gave these seconds."""
        if seconds < inf:
            return refusal("circuit_open", seconds)
        return BrokerError("circuit_open", "The upstream fails its health checks.")

    def circuits(self) -> dict[str, int]:
        """The state of each target's circuit breaker."""
        return {each.name: int(each.breaker.state) for each in self._endpoints if each.breaker is not None}

    def healthy(self) -> dict[str, bool]:
        """Whether each target that is watched is usable now."""
        return {each.name: each.health.share() > 0.0 for each in self._endpoints if each.health is not None}

    def _count(self, pools: Sequence[Pool]) -> None:
        # The pools know how many calls they serve: counting when it is asked for costs other ways to choose nothing.
        size = len(self._endpoints)
        for endpoint in self._endpoints:
            endpoint.active = sum(pool.load for pool in pools[endpoint.at :: size])


class _Both:
    """Tells a target's health and its breaker."""

    __slots__ = ("_health", "_permit")

    def __init__(self, health: Health, permit: Permit) -> None:
        self._health = health
        self._permit = permit

    def success(self) -> None:
        self._health.success()
        self._permit.success()

    def failure(self) -> None:
        self._health.failure()
        self._permit.failure()

    def ignored(self) -> None:
        self._permit.ignored()
