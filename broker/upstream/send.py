"""The call to the legacy endpoint: choose a target, get a connection, send, and try again only where that is safe."""

import asyncio
from collections.abc import Callable
from itertools import count

from broker.core.alarms import AlarmWheel
from broker.core.errors import BrokerError
from broker.core.exchange import Exchange
from broker.core.heads import Framing
from broker.core.plan import RoutePlan
from broker.tls.engine import TlsEngine
from broker.upstream.answer import Answer, Stale
from broker.upstream.connection import UpstreamConnection
from broker.upstream.origin import Origin, UpstreamSettings
from broker.upstream.pool import Pool

RewriteRequest = Callable[[Exchange, RoutePlan, bytes], bytes]
"""(exchange, plan, authority of the target) → the request head to send."""

_SAFE = frozenset({b"GET", b"HEAD", b"OPTIONS"})


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


class Upstream:
    """A named upstream: its targets' pools, shared by all routes that use it."""

    def __init__(
        self, name: str, origins: list[Origin], settings: UpstreamSettings, wheel: AlarmWheel, rewrite: RewriteRequest
    ) -> None:
        self.name = name
        self.stats = UpstreamStats()
        self.pools = [Pool(origin, settings, wheel) for origin in origins]
        self._rewrite = rewrite
        self._turn = count()

    async def send(self, exchange: Exchange, plan: RoutePlan) -> Answer:
        """Make the call; raises `BrokerError`. A cancelled call resets its connection."""
        repeatable = exchange.body is None and exchange.head.method in _SAFE
        retried = False
        while True:
            pool = self.pools[next(self._turn) % len(self.pools)] if len(self.pools) > 1 else self.pools[0]
            connection = None if retried else pool.take(certain=not repeatable)
            if connection is None:
                pool, connection = await self._connect(pool)
            try:
                return await self._call(connection, exchange, plan, pool.origin)
            except Stale:
                if not repeatable:
                    raise BrokerError("upstream_protocol_error", _STALE) from None
                self.stats.count_retry("stale_connection")
                retried = True

    async def _call(
        self, connection: UpstreamConnection, exchange: Exchange, plan: RoutePlan, origin: Origin
    ) -> Answer:
        request = exchange.head
        head = self._rewrite(exchange, plan, origin.authority)
        answered = connection.call(request.method, head, exchange.body, request.framing is Framing.CHUNKED)
        try:
            return await answered
        except asyncio.CancelledError:
            if not answered.done() or answered.cancelled():
                connection.cancel()
            elif answered.exception() is None:
                # The whole answer may have come already, and the connection serve another call.
                answered.result().cancel()
            raise

    async def _connect(self, first: Pool) -> tuple[Pool, UpstreamConnection]:
        """A new connection to `first`, or to the next target that takes one: nothing was sent yet."""
        start = self.pools.index(first)
        failure: BrokerError | None = None
        for pool in self.pools[start:] + self.pools[:start]:
            try:
                connection = await pool.fresh()
            except BrokerError as error:
                failure = failure or error
                if len(self.pools) > 1:
                    self.stats.count_retry("connect_failed")
                continue
            if connection.engine is not None:
                self.stats.count_handshake(connection.engine)
            return pool, connection
        assert failure is not None  # noqa: S101 - an upstream has at least one target
        raise failure

    def close(self) -> None:
        """Close every idle connection."""
        for pool in self.pools:
            pool.close()


_STALE = (
    "The upstream closed the kept connection as the request was sent; it is not sent twice, "
    "because the upstream may have acted on it."
)
