"""A connection for a call: of the target of choice, or of the next one that takes it, since nothing was sent yet."""

from typing import NamedTuple

from broker.core.alarms import AlarmWheel
from broker.core.errors import BrokerError
from broker.core.exchange import Exchange
from broker.core.injection import NO_INJECTION, Injection
from broker.core.plan import RoutePlan
from broker.tls.engine import TlsEngine
from broker.upstream.checks import Checks
from broker.upstream.connection import UpstreamConnection
from broker.upstream.informed import Informed
from broker.upstream.origin import Origin, UpstreamSettings
from broker.upstream.outcome import past_deadline
from broker.upstream.pinned import Pin, authenticates_connection, pinned_to
from broker.upstream.pool import Pool
from broker.upstream.targets import Endpoint, Targets


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
    informed: Informed | None = None
    """Who is told how the call went."""


class Leasing:
    """The targets' pools of an upstream, and the choice among them."""

    def __init__(self, name: str, origins: list[Origin], settings: UpstreamSettings, wheel: AlarmWheel) -> None:
        self.name = name
        self.stats = UpstreamStats()
        self.pools = [Pool(origin, settings, wheel) for origin in origins]
        self.all_pools = list(self.pools)
        """These, and those of all variants."""
        self.targets: Targets | None = None
        """Their choice; None where there is one that is always asked."""
        if len(origins) > 1:
            self.targets = Targets([Endpoint(at, str(at)) for at in range(len(origins))])

    checks: Checks | None = None
    """What asks the targets how they are."""

    def kept_for(self, exchange: Exchange, *, certain: bool) -> Lease | None:
        """A kept connection for a call, where there is nothing to choose; see `lease`."""
        if self.targets is not None or exchange.caller_side.pins is not None or exchange.head.authorization is not None:
            return None
        pool = self.pools[0]
        connection = pool.take(certain=certain)
        return None if connection is None else Lease(pool, connection)

    async def _lease_for(
        self, exchange: Exchange, plan: RoutePlan, injection: Injection, *, certain: bool, fresh: bool
    ) -> Lease:
        if exchange.caller_side.pins is not None and not fresh and injection is NO_INJECTION:
            pin = pinned_to(exchange, self.name, self.pools)
            if pin is not None and not self._paused(pin.pool):
                return Lease(pin.pool, pin.connection)
        key = b"" if self.targets is None else self.targets.key(exchange.head)
        if exchange.head.authorization is None or not authenticates_connection(exchange.head, plan.dropped):
            return await self.lease(certain=certain, fresh=fresh, key=key, exchange=exchange)
        lease = await self.lease(certain=certain, fresh=True, key=key, exchange=exchange)
        if exchange.caller_side.peer_trusted:
            # A proxy may carry calls of many on one connection: what one of them logs in to serves no other call.
            lease.connection.reusable = False
        else:
            exchange.caller_side.pin(self.name, Pin(lease.pool, lease.connection, exchange.caller))
        return lease

    def _paused(self, pool: Pool) -> bool:
        return self.targets is not None and self.targets.paused(self.pools.index(pool))

    async def lease(
        self, *, certain: bool, fresh: bool = False, key: bytes = b"", exchange: Exchange | None = None
    ) -> Lease:
        """A connection for a call: a kept one, or a new one where there is none or `fresh` asks for it.

        `certain`: the call cannot be repeated, so a kept connection is looked at more closely. `key`: what the choice
        of the target goes by. `exchange`: the call, whose deadline says something about a target that takes no
        connection. Raises `BrokerError`.
        """
        if self.targets is not None:
            return await self._lease_of(self.targets, certain, fresh, key, exchange)
        pool = self.pools[0]
        connection = None if fresh else pool.take(certain=certain)
        return Lease(pool, connection or await self._connect(pool))

    async def _lease_of(
        self, targets: Targets, certain: bool, fresh: bool, key: bytes, exchange: Exchange | None
    ) -> Lease:
        if self.checks is not None and not self.checks.started:
            self.checks.start()
        tried: list[Endpoint] = []
        told: list[str] = []
        failure: BrokerError | None = None
        while (chosen := targets.choose(key, tried, self.all_pools)) is not None:
            pool, informed = self.pools[chosen.endpoint.at], chosen.informed
            if failure is not None:
                self.stats.count_retry("connect_failed")
            connection = None if fresh else pool.take(certain=certain)
            try:
                return Lease(pool, connection or await self._connect(pool), informed)
            except BrokerError as error:
                failure = failure or error
                tried.append(chosen.endpoint)
                told.append(f"{pool.origin.authority.decode()}: {error.cause or error.detail}")
                if informed is not None:
                    informed.failure()
            except BaseException:
                if informed is not None:
                    _tell_cut(informed, exchange)
                raise
        if failure is not None and len(told) > 1:
            # The first has the code, as where it is the only one; the log says it of all.
            failure.cause = "; ".join(told)
        try:
            raise failure or targets.refusal()
        finally:
            # Else the error and this frame would keep each other, and the call's body with them.
            del failure

    async def _connect(self, pool: Pool) -> UpstreamConnection:
        connection = await pool.fresh()
        if connection.engine is not None:
            self.stats.count_handshake(connection.engine)
        return connection


def _tell_cut(informed: Informed, exchange: Exchange | None) -> None:
    """The wait for a connection was cut off: a deadline blames the target, a caller that leaves does not."""
    if exchange is not None and past_deadline(exchange):
        informed.failure()
    else:
        informed.ignored()
