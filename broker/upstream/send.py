"""The call to the legacy endpoint: choose a target, get a connection, send, and try again only where that is safe."""

import asyncio
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import replace
from itertools import count
from math import inf
from typing import NamedTuple

from broker.core.alarms import AlarmWheel
from broker.core.errors import BrokerError
from broker.core.exchange import Exchange
from broker.core.heads import Framing
from broker.core.injection import NO_INJECTION, Injection
from broker.core.plan import RoutePlan
from broker.policy.breaker import CircuitBreaker, Permit
from broker.policy.pause import STATUSES as ASKS_FOR_PAUSE
from broker.policy.pause import Pauses
from broker.policy.refusal import refusal
from broker.tls.engine import ClientTls, TlsEngine
from broker.upstream.answer import Answer, Stale
from broker.upstream.connection import UpstreamConnection
from broker.upstream.manner import HoldLimits
from broker.upstream.origin import Origin, UpstreamSettings
from broker.upstream.outcome import outcome
from broker.upstream.pinned import Pin, authenticates_connection, pinned_to
from broker.upstream.pool import Pool

RewriteRequest = Callable[[Exchange, RoutePlan, bytes, Injection], bytes]
"""(exchange, plan, authority of the target, what is added) → the request head to send."""

SAFE = frozenset({b"GET", b"HEAD", b"OPTIONS"})
"""Methods that may be sent twice."""


class UpstreamStats:
    """What an upstream did, for the metrics."""

    def __init__(self) -> None:
        self.handshakes: dict[tuple[str, str], int] = {}
        self.retries: dict[str, int] = {}

    def count_handshake(self, engine: TlsEngine) -> None:
        """A TLS handshake was completed."""
        key = (engine.protocol(), engine.cipher())
        self.handshakes[key] = self.handshakes.get(key, 0) + 1

    def count_retry(self, reason: str) -> None:
        """A call was tried again."""
        self.retries[reason] = self.retries.get(reason, 0) + 1


class Lease(NamedTuple):
    """A connection that serves a call, and where it belongs."""

    pool: Pool
    connection: UpstreamConnection
    permit: Permit | None = None
    """The circuit breaker's, which is told how the call went."""


class Upstream:
    """A named upstream: its targets' pools, shared by all routes that use it."""

    def __init__(
        self, name: str, origins: list[Origin], settings: UpstreamSettings, wheel: AlarmWheel, rewrite: RewriteRequest
    ) -> None:
        self.name = name
        self.stats = UpstreamStats()
        self.pools = [Pool(origin, settings, wheel) for origin in origins]
        self.all_pools = list(self.pools)
        """These, and those of all variants."""
        self._settings = settings
        self._wheel = wheel
        self._rewrite = rewrite
        self._turn = count()

    breakers: Sequence[CircuitBreaker] = ()
    """One for each pool, or none at all."""
    pauses: Pauses | None = None
    """Where this upstream's wish to be left alone is kept."""
    hold_limits: HoldLimits | None = None
    """How much of a body may be held back, where the upstream says so."""

    async def send(self, exchange: Exchange, plan: RoutePlan, injection: Injection = NO_INJECTION) -> Answer:
        """Make the call; raises `BrokerError`. A cancelled call resets its connection."""
        repeatable = exchange.body is None and exchange.head.method in SAFE
        retried = False
        while True:
            lease = await self._lease_for(exchange, plan, certain=not repeatable, fresh=retried)
            try:
                return await self.call(lease, exchange, plan, injection)
            except Stale:
                if not repeatable:
                    raise stale_error() from None
                self.stats.count_retry("stale_connection")
                retried = True

    async def _lease_for(self, exchange: Exchange, plan: RoutePlan, *, certain: bool, fresh: bool) -> Lease:
        if exchange.caller_side.pins is not None and not fresh:
            pin = pinned_to(exchange, self.name)
            if pin is not None:
                return Lease(pin.pool, pin.connection)
        if exchange.head.authorization is None or not authenticates_connection(exchange.head, plan.dropped):
            return await self.lease(certain=certain, fresh=fresh)
        lease = await self.lease(certain=certain, fresh=True)
        exchange.caller_side.pin(self.name, Pin(lease.pool, lease.connection))
        return lease

    async def lease(self, *, certain: bool, fresh: bool = False) -> Lease:
        """A connection for a call: a kept one, or a new one where there is none or `fresh` asks for it.

        `certain`: the call cannot be repeated, so a kept connection is looked at more closely. Raises `BrokerError`.
        """
        pool, permit = self._choose()
        connection = None if fresh else pool.take(certain=certain)
        if connection is None:
            return await self._connect(pool, permit)
        return Lease(pool, connection, permit)

    def _choose(self) -> tuple[Pool, Permit | None]:
        """The next target whose circuit is not open; raises `circuit_open`."""
        pools, breakers = self.pools, self.breakers
        start = next(self._turn) % len(pools) if len(pools) > 1 else 0
        if not breakers:
            return pools[start], None
        soonest = inf
        for at in range(start, start + len(pools)):
            permit = breakers[at % len(pools)].admit()
            if isinstance(permit, Permit):
                return pools[at % len(pools)], permit
            soonest = min(soonest, permit)
        raise refusal("circuit_open", soonest)

    async def call(self, lease: Lease, exchange: Exchange, plan: RoutePlan, injection: Injection) -> Answer:
        """Make the call on a connection; raises `Stale` where a kept one had ended before, and `BrokerError`."""
        request = exchange.head
        head = self._rewrite(exchange, plan, lease.pool.origin.authority, injection)
        chunked = request.framing is Framing.CHUNKED
        with outcome(lease.permit, exchange) as told:
            answered = lease.connection.call(request.method, head, exchange.body, chunked)
            answer = await answer_of(lease.connection, answered)
            told(answer.head.status)
        self.heed(answer)
        return answer

    def heed(self, answer: Answer) -> None:
        """An upstream that asks to be left alone (429 or 503 with `Retry-After`) is, by all of its routes."""
        head = answer.head
        if head.status in ASKS_FOR_PAUSE and self.pauses is not None:
            for name, value in head.lines:
                if name.lower() == b"retry-after":
                    self.pauses.note(self.name, head.status, value)
                    return

    async def _connect(self, first: Pool, permit: Permit | None) -> Lease:
        """A new connection to `first`, or to the next target that takes one: nothing was sent yet."""
        start = self.pools.index(first)
        failure: BrokerError | None = None
        for at in range(start, start + len(self.pools)):
            pool = self.pools[at % len(self.pools)]
            if self.breakers and permit is None:
                admitted = self.breakers[at % len(self.pools)].admit()
                if not isinstance(admitted, Permit):
                    continue
                permit = admitted
            try:
                connection = await pool.fresh()
            except BrokerError as error:
                failure = failure or error
                if permit is not None:
                    permit.failure()
                    permit = None
                if len(self.pools) > 1:
                    self.stats.count_retry("connect_failed")
                continue
            except BaseException:
                if permit is not None:
                    permit.ignored()
                raise
            if connection.engine is not None:
                self.stats.count_handshake(connection.engine)
            return Lease(pool, connection, permit)
        assert failure is not None  # noqa: S101 - an upstream has at least one target
        raise failure

    def variant(self, tls: ClientTls | None = None) -> "Upstream":
        """The same upstream over connections of its own, for a credential that belongs to connections.

        `tls`: its TLS, where that differs; None for the same.
        """
        other = copy(self)
        origins = [pool.origin if tls is None else replace(pool.origin, tls=tls) for pool in self.pools]
        other.pools = [Pool(origin, self._settings, self._wheel) for origin in origins]
        self.all_pools += other.pools
        return other

    def circuits(self) -> dict[str, int]:
        """The state of each target's circuit breaker, by its address."""
        if not self.breakers:
            return {}
        return {
            f"{pool.origin.host}:{pool.origin.port}": int(breaker.state)
            for pool, breaker in zip(self.pools, self.breakers, strict=True)
        }

    def close(self) -> None:
        """Close every idle connection, those of variants too."""
        for pool in self.all_pools:
            pool.close()


async def answer_of(connection: UpstreamConnection, answered: "asyncio.Future[Answer]") -> Answer:
    """Wait for an answer; a cancelled wait resets the connection."""
    try:
        return await answered
    except asyncio.CancelledError:
        if not answered.done() or answered.cancelled():
            connection.cancel()
        elif answered.exception() is None:
            # The whole answer may have come already, and the connection serve another call.
            answered.result().cancel()
        raise


def stale_error() -> BrokerError:
    """What becomes of a call that cannot be repeated, on a kept connection that had ended."""
    return BrokerError("upstream_protocol_error", _STALE, unanswered=True)


_STALE = (
    "The upstream closed the kept connection as the request was sent; it is not sent twice, "
    "because the upstream may have acted on it."
)
