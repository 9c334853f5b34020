"""A failed call made again, where nothing can happen twice and there is time."""

import asyncio
from dataclasses import dataclass
from time import monotonic
from typing import Final

from broker.core.errors import BrokerError
from broker.core.exchange import Exchange
from broker.core.plan import Reply, RoutePlan, UpstreamPort
from broker.policy.retry import IDEMPOTENT, Backoff, Reason, RetryBudget, may_retry
from broker.upstream.altered import abandoning
from broker.upstream.answer import Answer
from broker.upstream.bodies import discard
from broker.upstream.manner import HoldLimits
from broker.upstream.repeat import Repeater
from broker.upstream.send import Upstream

_STATUSES: Final = {429: Reason.BUSY, 503: Reason.BUSY, 502: Reason.GATEWAY, 504: Reason.GATEWAY}
_NOTHING_SENT: Final = frozenset({"upstream_connect_failed"})


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
        """Make the call; raises the last `BrokerError`."""
        self._budget.call()
        # A credential takes the body to hold on to it: so it is held here already, where that is what goes on.
        wanted = self._repeats(exchange, plan) or not isinstance(self._inner, Upstream)
        repeater = await Repeater.holding(exchange, self._settings.limits, wanted=wanted)
        try:
            return await self._send(exchange, plan, repeater)
        finally:
            repeater.close()

    async def _send(self, exchange: Exchange, plan: RoutePlan, repeater: Repeater) -> Reply:
        attempt = 1
        while True:
            reply: Reply | None = None
            failure: BrokerError | None = None
            try:
                made = repeater.attempt(without_body=False)
                with abandoning(made):
                    reply = await self._inner.send(made, plan)
                reason = self._reason_of_status(reply.head.status)
            except BrokerError as error:
                failure, reason = error, self._reason_of(error)
            if reason is None or not await self._wait(reason, exchange, plan, repeater, attempt):
                if failure is not None:
                    raise failure
                assert reply is not None  # noqa: S101 - without a failure there is an answer
                return reply
            if isinstance(reply, Answer):
                await discard(reply)
            self.upstream.stats.count_retry(reason.value)
            attempt += 1

    async def _wait(
        self, reason: Reason, exchange: Exchange, plan: RoutePlan, repeater: Repeater, attempt: int
    ) -> bool:
        """Whether the call is made again; then the time before it has passed."""
        again = attempt < self._settings.attempts and may_retry(
            reason,
            method=exchange.head.method,
            idempotent=plan.idempotent,
            bytes_left=reason is not Reason.CONNECT,
            response_started=exchange.responded,
            body_at_hand=repeater.repeatable,
        )
        # Nothing left for the upstream; but the body may have been taken on its way there.
        again = again and (repeater.repeatable or not _taken(exchange))
        if not again or not self._budget.take():
            return False
        asked_for = self.upstream.asked_for(exchange, plan)
        delay = self._settings.backoff.delay(attempt, exchange.due - monotonic(), asked_for)
        if delay is None:
            return False
        await asyncio.sleep(delay)
        return True

    def _repeats(self, exchange: Exchange, plan: RoutePlan) -> bool:
        """Whether a body is worth holding on to."""
        settings = self._settings
        if not settings.reset and not settings.statuses:
            return False
        return exchange.head.method in IDEMPOTENT if plan.idempotent is None else plan.idempotent

    def _reason_of(self, error: BrokerError) -> Reason | None:
        if error.code in _NOTHING_SENT:
            return Reason.CONNECT if self._settings.connect else None
        return Reason.RESET if error.unanswered and self._settings.reset else None

    def _reason_of_status(self, status: int) -> Reason | None:
        return _STATUSES.get(status) if status in self._settings.statuses else None
