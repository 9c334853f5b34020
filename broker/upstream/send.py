"""The call to the legacy endpoint: choose a target, get a connection, send, and try again only where that is safe."""

from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import replace
from typing import NamedTuple

from broker.core.alarms import AlarmWheel
from broker.core.errors import BrokerError
from broker.core.exchange import Exchange
from broker.core.heads import Framing
from broker.core.injection import NO_INJECTION, Injection
from broker.core.plan import RoutePlan
from broker.policy.health import Health
from broker.policy.pause import STATUSES as ASKS_FOR_PAUSE
from broker.policy.pause import Pauses
from broker.tls.engine import ClientTls, TlsEngine
from broker.upstream.answer import Answer, Stale, answer_of
from broker.upstream.checks import Checks, CheckSettings
from broker.upstream.connection import UpstreamConnection
from broker.upstream.manner import HoldLimits
from broker.upstream.origin import Origin, UpstreamSettings
from broker.upstream.outcome import Informed, outcome
from broker.upstream.pinned import Pin, authenticates_connection, pinned_to
from broker.upstream.pool import Pool
from broker.upstream.targets import Endpoint, Targets

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
    informed: Informed | None = None
    """Who is told how the call went."""


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
        self.targets: Targets | None = None
        """Their choice; None where there is one that is always asked."""
        if len(origins) > 1:
            self.targets = Targets([Endpoint(at, str(at)) for at in range(len(origins))])

    checks: Checks | None = None
    """What asks the targets how they are."""
    follows: Checks | None = None
    """Those that end when this upstream is started: it takes the place of another."""
    pauses: Pauses | None = None
    """Where this upstream's wish to be left alone is kept."""
    hold_limits: HoldLimits | None = None
    """How much of a body may be held back, where the upstream says so."""

    async def send(self, exchange: Exchange, plan: RoutePlan, injection: Injection = NO_INJECTION) -> Answer:
        """Make the call; raises `BrokerError`. A cancelled call resets its connection."""
        repeatable = exchange.body is None and exchange.head.method in SAFE
        retried = False
        while True:
            lease = await self._lease_for(exchange, plan, injection, certain=not repeatable, fresh=retried)
            try:
                return await self.call(lease, exchange, plan, injection)
            except Stale:
                if not repeatable:
                    raise stale_error() from None
                self.stats.count_retry("stale_connection")
                retried = True

    async def _lease_for(
        self, exchange: Exchange, plan: RoutePlan, injection: Injection, *, certain: bool, fresh: bool
    ) -> Lease:
        if exchange.caller_side.pins is not None and not fresh and injection is NO_INJECTION:
            pin = pinned_to(exchange, self.name, self.pools)
            if pin is not None:
                return Lease(pin.pool, pin.connection)
        key = b"" if self.targets is None else self.targets.key(exchange.head)
        if exchange.head.authorization is None or not authenticates_connection(exchange.head, plan.dropped):
            return await self.lease(certain=certain, fresh=fresh, key=key)
        lease = await self.lease(certain=certain, fresh=True, key=key)
        if exchange.caller_side.peer_trusted:
            # A proxy may carry calls of many on one connection: what one of them logs in to serves no other call.
            lease.connection.reusable = False
        else:
            exchange.caller_side.pin(self.name, Pin(lease.pool, lease.connection, exchange.caller))
        return lease

    async def lease(self, *, certain: bool, fresh: bool = False, key: bytes = b"") -> Lease:
        """A connection for a call: a kept one, or a new one where there is none or `fresh` asks for it.

        `certain`: the call cannot be repeated, so a kept connection is looked at more closely. `key`: what the choice
        of the target goes by. Raises `BrokerError`.
        """
        if self.targets is not None:
            return await self._lease_of(self.targets, certain, fresh, key)
        pool = self.pools[0]
        connection = None if fresh else pool.take(certain=certain)
        return Lease(pool, connection or await self._connect(pool))

    async def _lease_of(self, targets: Targets, certain: bool, fresh: bool, key: bytes) -> Lease:
        """A connection to the target of choice, or to the next one that takes it: nothing was sent yet."""
        if self.checks is not None and not self.checks.started:
            self.checks.start()
        tried: list[Endpoint] = []
        failure: BrokerError | None = None
        while not isinstance(chosen := targets.choose(key, tried, self.all_pools), float):
            pool, informed = self.pools[chosen.endpoint.at], chosen.informed
            if failure is not None:
                self.stats.count_retry("connect_failed")
            connection = None if fresh else pool.take(certain=certain)
            try:
                return Lease(pool, connection or await self._connect(pool), informed)
            except BrokerError as error:
                failure = failure or error
                tried.append(chosen.endpoint)
                if informed is not None:
                    informed.failure()
            except BaseException:
                if informed is not None:
                    informed.ignored()
                raise
        raise failure or targets.refusal(chosen)

    async def _connect(self, pool: Pool) -> UpstreamConnection:
        connection = await pool.fresh()
        if connection.engine is not None:
            self.stats.count_handshake(connection.engine)
        return connection

    async def call(self, lease: Lease, exchange: Exchange, plan: RoutePlan, injection: Injection) -> Answer:
        """Make the call on a connection; raises `Stale` where a kept one had ended before, and `BrokerError`."""
        request = exchange.head
        head = self._rewrite(exchange, plan, lease.pool.origin.authority, injection)
        chunked = request.framing is Framing.CHUNKED
        with outcome(lease.informed, exchange) as told:
            answered = lease.connection.call(request.method, head, exchange.body, chunked, request.length)
            answer = await answer_of(lease.connection, answered, exchange)
            told(answer.head.status)
        self.heed(answer, exchange, plan)
        return answer

    def asked_for(self, exchange: Exchange, plan: RoutePlan) -> float:
        """Seconds for which the upstream asked to be left alone by such calls."""
        return 0.0 if self.pauses is None else self.pauses.left_for(self.name, plan.name, exchange.caller)

    def heed(self, answer: Answer, exchange: Exchange, plan: RoutePlan) -> None:
        """An upstream that asks to be left alone is: with 503 by all, with 429 by those whom it counts as one."""
        head = answer.head
        if head.status in ASKS_FOR_PAUSE and self.pauses is not None:
            for name, value in head.lines:
                if name.lower() == b"retry-after":
                    self.pauses.note_from(self.name, plan.name, exchange.caller, head.status, value)
                    return

    def variant(self, tls: ClientTls | None = None) -> "Upstream":
        """The same upstream over connections of its own, for a credential that belongs to connections.

        `tls`: its TLS, where that differs; None for the same.
        """
        other = copy(self)
        origins = [pool.origin if tls is None else replace(pool.origin, tls=tls) for pool in self.pools]
        other.pools = [Pool(origin, self._settings, self._wheel) for origin in origins]
        self.all_pools += other.pools
        return other

    def watch(self, healths: Sequence[Health], check: CheckSettings) -> None:
        """Let checks find out about the health of each target, once it is started."""
        self.checks = Checks(list(zip(self.pools, healths, strict=True)), check, self._settings, self._wheel)

    def start(self) -> None:
        """Begin to check the targets, where that is asked for; the first call does, too."""
        follows, self.follows = self.follows, None
        if follows is not None and follows is not self.checks:
            follows.close()
        if self.checks is not None:
            self.checks.start()

    def circuits(self) -> dict[str, int]:
        """The state of each target's circuit breaker, by its address."""
        return {} if self.targets is None else self.targets.circuits()

    def healthy(self) -> dict[str, bool]:
        """Whether each target that is watched is usable, by its address."""
        return {} if self.targets is None else self.targets.healthy()

    def close(self) -> None:
        """End the checks, and every idle connection, those of variants too."""
        if self.checks is not None:
            self.checks.close()
        for pool in self.all_pools:
            pool.close()


def stale_error() -> BrokerError:
    """What becomes of a call that cannot be repeated, on a kept connection that had ended."""
    return BrokerError("upstream_protocol_error", _STALE, unanswered=True)


_STALE = (
    "The upstream closed the kept connection as the request was sent; it is not sent twice, "
    "because the upstream may have acted on it."
)
