"""The call to the legacy endpoint: get a connection, send, and try again only where that is safe."""

from collections.abc import Callable, Coroutine, Sequence
from copy import copy
from dataclasses import replace
from typing import Any

from broker.core.alarms import AlarmWheel
from broker.core.errors import BrokerError
from broker.core.exchange import Exchange
from broker.core.heads import Framing
from broker.core.injection import NO_INJECTION, Injection
from broker.core.plan import RoutePlan
from broker.policy.health import Health
from broker.policy.held_bodies import HeldBodies
from broker.policy.pause import STATUSES as ASKS_FOR_PAUSE
from broker.policy.pause import Pauses
from broker.tls.engine import ClientTls
from broker.upstream.answer import Answer, Stale, answer_of
from broker.upstream.checks import Checks, CheckSettings
from broker.upstream.connection import UpstreamConnection
from broker.upstream.leasing import Lease, Leasing
from broker.upstream.manner import HoldLimits
from broker.upstream.origin import Origin, UpstreamSettings
from broker.upstream.outcome import outcome
from broker.upstream.pool import Pool
from broker.upstream.sent import SentBefore, says_not_sent

RewriteRequest = Callable[[Exchange, RoutePlan, bytes, Injection], bytes]
"""(exchange, plan, authority of the target, what is added) → the request head to send."""

SAFE = frozenset({b"GET", b"HEAD", b"OPTIONS"})
"""Methods that may be sent twice."""


class Upstream(Leasing):
    """A named upstream: its targets' pools, shared by all routes that use it."""

    def __init__(
        self, name: str, origins: list[Origin], settings: UpstreamSettings, wheel: AlarmWheel, rewrite: RewriteRequest
    ) -> None:
        super().__init__(name, origins, settings, wheel)
        self._settings = settings
        self._wheel = wheel
        self._rewrite = rewrite

    follows: Checks | None = None
    """Those that end when this upstream is started: it takes the place of another."""
    pauses: Pauses | None = None
    """Where this upstream's wish to be left alone is kept."""
    hold_limits: HoldLimits | None = None
    """How much of a body may be held back, where the upstream says so."""
    held_bodies: HeldBodies | None = None
    """What all calls hold back together; None: nobody counts."""

    async def send(self, exchange: Exchange, plan: RoutePlan, injection: Injection = NO_INJECTION) -> Answer:
        """Make the call; raises `BrokerError`. A cancelled call resets its connection."""
        repeatable = safe_twice(exchange, plan)
        retried = False
        while True:
            lease = None if retried else self.kept_for(exchange, certain=not repeatable)
            try:
                lease = lease or await self._lease_for(exchange, plan, injection, certain=not repeatable, fresh=retried)
            except BrokerError as error:
                if retried and says_not_sent(error):
                    raise SentBefore(error) from None
                raise
            try:
                return await self.call(lease, exchange, plan, injection)
            except Stale:
                if not repeatable:
                    raise stale_error(exchange) from None
                take_attempt(exchange)
                self.stats.count_retry("stale_connection")
                retried = True

    async def call(self, lease: Lease, exchange: Exchange, plan: RoutePlan, injection: Injection) -> Answer:
        """Make the call on a connection; raises `Stale` where a kept one had ended before, and `BrokerError`."""
        head = self._rewrite(exchange, plan, lease.pool.origin.authority, injection)
        if exchange.delivery is not None:
            exchange.delivery.sent()
        if lease.informed is None:
            answer = await _asked(lease.connection, exchange, head)
        else:
            with outcome(lease.informed, exchange) as told:
                answer = await _asked(lease.connection, exchange, head)
                told(answer)
        status = answer.head.status
        if exchange.delivery is not None and status == _UNAUTHORIZED:
            exchange.delivery.refused()
        if status in ASKS_FOR_PAUSE:
            self._heed(answer, lease, exchange, plan)
        return answer

    def asked_for(self, exchange: Exchange, plan: RoutePlan) -> float:
        """Seconds for which such calls are to be left: 0.0 where one of several targets did not ask for that."""
        if self.pauses is None:
            return 0.0
        left = self.pauses.left_for(self.name, plan.name, exchange.caller)
        return left if self.targets is None else max(left, self.targets.pause_left())

    def _heed(self, answer: Answer, lease: Lease, exchange: Exchange, plan: RoutePlan) -> None:
        """Whoever asks to be left alone is: a target that answers 503 by all, 429 by those whom it counts as one."""
        head = answer.head
        if self.pauses is None:
            return
        value = next((value for name, value in head.lines if name.lower() == b"retry-after"), None)
        if value is None:
            return
        if head.status == _UNAVAILABLE and self.targets is not None and self.targets.several:
            self.targets.pause(self.pools.index(lease.pool), value)
        else:
            self.pauses.note_from(self.name, plan.name, exchange.caller, head.status, value)

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


def _asked(connection: UpstreamConnection, exchange: Exchange, head: bytes) -> Coroutine[Any, Any, Answer]:
    """Send the request, and wait for the answer."""
    request = exchange.head
    chunked = request.framing is Framing.CHUNKED
    answered = connection.call(request.method, head, exchange.body, chunked, request.length, exchange.watcher)
    return answer_of(connection, answered, exchange)


def safe_twice(exchange: Exchange, plan: RoutePlan) -> bool:
    """Whether a call may go out again of which bytes left, without any setting that asks for it."""
    if exchange.attempts is not None and not exchange.attempts.left:
        return False
    return exchange.body is None and exchange.head.method in SAFE and plan.idempotent is not False


def take_attempt(exchange: Exchange) -> None:
    """The call goes out once more: that is one of its attempts, where they are counted."""
    if exchange.attempts is not None:
        exchange.attempts.left -= 1


def stale_error(exchange: Exchange, *, repeated: bool = False) -> BrokerError:
    """What becomes of a call that cannot be repeated, or not once more, on a kept connection that had ended."""
    attempts = exchange.attempts
    used_up = repeated or (attempts is not None and not attempts.left and exchange.head.method in SAFE)
    return BrokerError("upstream_protocol_error", _STALE_AT_LAST if used_up else _STALE, unanswered=True)


_UNAUTHORIZED = 401
_UNAVAILABLE = 503
_STALE = (
    "The upstream closed the kept connection as the request was sent; it is not sent twice, "
    "because the upstream may have acted on it."
)
_STALE_AT_LAST = "The upstream closed the kept connection as the request was sent, and no attempt is left."
