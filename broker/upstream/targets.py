"""The choice among an upstream's targets: who is asked, who is told how it went, and what is said when nobody can be.

The variants of an upstream share it: what a call over one connection shows of a target holds for all of them.
"""

from collections.abc import Sequence
from typing import NamedTuple, cast

from broker.core.errors import BrokerError
from broker.core.heads import RequestHead
from broker.policy.balance import PICKERS, Balancer
from broker.policy.balance_pick import Member
from broker.policy.breaker import CircuitBreaker, Permit
from broker.policy.health import Health
from broker.policy.pause import TargetPauses
from broker.policy.refusal import refusal
from broker.upstream.informed import Informed
from broker.upstream.pool import Pool

_BY_LOAD = frozenset({"least_requests", "power_of_two"})
_PAUSED = "The upstream asked to be left alone for a while."


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
        self,
        endpoints: Sequence[Endpoint],
        balance: str = "round_robin",
        hash_header: str | None = None,
        pauses: TargetPauses | None = None,
        check_every: float = 0.0,
    ) -> None:
        """`balance`: one of `PICKERS`; `hash_header`: what `hash` goes by; `check_every`: seconds between checks."""
        self._endpoints = endpoints
        self._balancer = Balancer(endpoints, PICKERS[balance])
        self._by_load = balance in _BY_LOAD
        self._hash_header = b"" if hash_header is None else hash_header.lower().encode()
        self._check_every = check_every
        only = endpoints[0] if len(endpoints) == 1 else None
        self._guarded = only.breaker if only is not None and only.health is None else None
        """The breaker of the only target, where nothing else has a say."""
        self._pauses = pauses if only is None else None
        """What targets asked for; the wish of an only one is its upstream's."""

    def key(self, head: RequestHead) -> bytes:
        """What the choice for this request goes by; empty where it goes by nothing of it."""
        return (head.first(self._hash_header) or b"") if self._hash_header else b""

    def choose(self, key: bytes, tried: Sequence[Endpoint], pools: Sequence[Pool]) -> Chosen | None:
        """One that was not tried and wants to be asked; None where there is none.

        `pools`: those of the upstream and of each of its variants, in the order of the targets.
        """
        if self._guarded is not None and not tried:
            permit = self._guarded.admit()
            return Chosen(self._endpoints[0], permit) if isinstance(permit, Permit) else None
        if self._by_load:
            self._count(pools)
        without = [*tried, *self._resting()]
        while (member := self._balancer.pick(key, without)) is not None:
            endpoint = cast("Endpoint", member)
            if endpoint.breaker is None:
                return Chosen(endpoint, endpoint.health)
            permit = endpoint.breaker.admit()
            if isinstance(permit, Permit):
                return Chosen(endpoint, permit if endpoint.health is None else _Both(endpoint.health, permit))
            without.append(endpoint)
        return None

    def refusal(self) -> BrokerError:
        """What a call is told when nobody can be asked: until when, and why."""
        seconds, why = min((self._absence(each) for each in self._endpoints), key=lambda absence: absence[0])
        return refusal("overloaded" if why is _PAUSED else "circuit_open", seconds, why)

    def _absence(self, endpoint: Endpoint) -> tuple[float, str]:
        """The seconds until it may be asked, and what is in the way for so long."""
        health, breaker = endpoint.health, endpoint.breaker
        if health is not None and not health.up:
            return self._check_every * health.checks_missing, "The upstream fails its health checks."
        rest = max(0.0 if health is None else health.left(), 0.0 if breaker is None else breaker.left())
        pause = self._pause_of(endpoint)
        return (pause, _PAUSED) if pause > rest else (rest, "The upstream is resting after failures.")

    # Pauses.

    @property
    def several(self) -> bool:
        """Whether each may ask for a pause of its own."""
        return self._pauses is not None

    def pause(self, at: int, retry_after: bytes) -> None:
        """The target at this place answered 503 with this `Retry-After`."""
        if self._pauses is not None:
            self._pauses.note(self._endpoints[at].name, retry_after)

    def paused(self, at: int) -> bool:
        """Whether the target at this place asked to be left alone now."""
        return self._pause_of(self._endpoints[at]) > 0.0

    def pause_left(self) -> float:
        """Seconds until one that could be asked wants to be: 0.0 where one does now, or none could be asked."""
        if self._pauses is None or not self._pauses.any:
            return 0.0
        usable = [
            each for each in self._endpoints if each.effective() > 0.0 and not (each.breaker and each.breaker.left())
        ]
        return min(map(self._pause_of, usable), default=0.0)

    def _pause_of(self, endpoint: Endpoint) -> float:
        return 0.0 if self._pauses is None else self._pauses.left(endpoint.name)

    def _resting(self) -> Sequence[Endpoint]:
        if self._pauses is None or not self._pauses.any:
            return ()
        return [each for each in self._endpoints if self._pauses.left(each.name)]

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
