"""A failed call made again, where nothing can happen twice and there is time."""

import asyncio
from dataclasses import dataclass
from time import monotonic
from typing import Final

from broker.core.errors import BrokerError
from broker.core.exchange import Exchange
from broker.core.plan import Reply, RoutePlan, UpstreamPort
from broker.policy.retry import IDEMPOTENT, Attempts, Backoff, Reason, RetryBudget, may_retry
from broker.upstream.altered import abandoning
from broker.upstream.bodies import collected_soon
from broker.upstream.manner import HoldLimits
from broker.upstream.repeat import Repeater
from broker.upstream.send import Upstream
from broker.upstream.sent import SentOnce, Whole, never_connected, says_not_sent
from broker.upstream.spool import whole_body

_STATUSES: Final = {429: Reason.BUSY, 503: Reason.BUSY, 502: Reason.GATEWAY, 504: Reason.GATEWAY}


def _taken(exchange: Exchange) -> bool:
    return exchange.body is not None and exchange.body.drained


@dataclass(frozen=True, slots=True)
class RetrySettings:
    """When, and how often."""

    attempts: int
    connect: bool
    reset: bool
    statuses: frozenset[int]
    backoff: Backoff
    limits: HoldLimits
    """How much of a body is held on to for another attempt."""


class RetryingUpstream:
    """An upstream whose failures are met with patience."""

    def __init__(self, inner: UpstreamPort, base: Upstream, settings: RetrySettings, budget: RetryBudget) -> None:
        """`inner` makes each attempt; `base` is the upstream below it, whose statistics count them."""
        self.name = inner.name
        self.upstream = base
        self._inner = inner
        self._settings = settings
        self._budget = budget

    async def send(self, exchange: Exchange, plan: RoutePlan) -> Reply:
        """Make the call; raises the last `BrokerError` that tells whether any attempt was sent."""
        self._budget.call()
        attempts = Attempts(self._settings.attempts)
        if attempts.left:
            # A call that is repeated below keeps to them, too. Where no other is granted, it may be repeated as ever.
            exchange.attempts = attempts
        # A credential takes the body to hold on to it: so it is held here already, where that is what goes on.
        wanted = self._repeats(exchange, plan) or not isinstance(self._inner, Upstream)
        repeater = await Repeater.holding(exchange, self._settings.limits, wanted=wanted)
        try:
            return await self._send(exchange, plan, repeater, attempts)
        finally:
            repeater.close()

    async def _send(self, exchange: Exchange, plan: RoutePlan, repeater: Repeater, attempts: Attempts) -> Reply:
        sent: SentOnce | None = None
        while True:
            made = repeater.attempt(without_body=False)
            try:
                with abandoning(made):
                    reply = await self._inner.send(made, plan)
            except BrokerError as error:
                reason = self._reason_of(error)
                wait = self._wait_for(reason, exchange, plan, repeater, attempts)
                if wait is None or reason is None:
                    if sent is not None and says_not_sent(error):
                        return sent.stands(error)
                    raise
                if sent is None and not says_not_sent(error):
                    sent = SentOnce(None, error.detail, error.cause)
            else:
                reason = self._reason_of_status(reply.head.status)
                wait = self._wait_for(reason, exchange, plan, repeater, attempts)
                if wait is None or reason is None:
                    return reply
                answered = await _let_go(reply)
                sent = sent or answered
            await asyncio.sleep(wait - monotonic())
            self.upstream.stats.count_retry(reason.value)
            attempts.left -= 1

    def _wait_for(
        self, reason: Reason | None, exchange: Exchange, plan: RoutePlan, repeater: Repeater, attempts: Attempts
    ) -> float | None:
        """When (event-loop time in seconds) the call is made again; None where it is not."""
        if reason is None or not attempts.left:
            return None
        again = may_retry(
            reason,
            method=exchange.head.method,
            idempotent=plan.idempotent,
            bytes_left=reason is not Reason.CONNECT,
            response_started=exchange.responded,
            body_at_hand=repeater.repeatable,
        )
        # Nothing left for the upstream; but the body may have been taken on its way there.
        if not again or (not repeater.repeatable and _taken(exchange)):
            return None
        now = monotonic()
        asked_for = self.upstream.asked_for(exchange, plan)
        delay = self._settings.backoff.delay(attempts.made, exchange.due - now, asked_for)
        return None if delay is None or not self._budget.take() else now + delay

    def _repeats(self, exchange: Exchange, plan: RoutePlan) -> bool:
        """Whether a body is worth holding on to."""
        settings = self._settings
        if not settings.reset and not settings.statuses:
            return False
        return exchange.head.method in IDEMPOTENT if plan.idempotent is None else plan.idempotent

    def _reason_of(self, error: BrokerError) -> Reason | None:
        if never_connected(error):
            return Reason.CONNECT if self._settings.connect else None
        return Reason.RESET if error.unanswered and self._settings.reset else None

    def _reason_of_status(self, status: int) -> Reason | None:
        return _STATUSES.get(status) if status in self._settings.statuses else None


async def _let_go(reply: Reply) -> SentOnce:
    """Make room for another attempt. The answer stands where that one is not sent, if all of it came at once."""
    head = reply.head
    data = b"" if reply.body is None else await collected_soon(reply)
    if data is None:
        return SentOnce(None, f"The upstream answered with status {head.status}, and could not be asked again.")
    return SentOnce(Whole(head, None if reply.body is None else whole_body([data])), "")
