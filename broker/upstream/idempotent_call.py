"""A call with an `Idempotency-Key`: it may go on without its caller, who comes back for the answer."""

import asyncio
import logging
from copy import copy
from time import monotonic
from typing import Final

from broker.core.body import Body
from broker.core.errors import BrokerError
from broker.core.exchange import CallerGone, Exchange
from broker.core.heads import ResponseHead
from broker.core.plan import Reply, RoutePlan, UpstreamPort
from broker.policy.idempotency import IdempotencySettings, IdempotencyStore
from broker.policy.idempotency_claim import Claim, KeptAnswer
from broker.upstream.altered import abandoning
from broker.upstream.idempotent_answer import Collected, Copied, Room
from broker.upstream.pinned import authenticates_connection

log = logging.getLogger(__name__)

MOST_ALONE: Final = 100
"""Calls without a caller, at a time: nothing else bounds them, since they need no connection of hop 1."""


class IdempotencyKeys:
    """What all routes share: the keys, and the calls that go on without a caller. It outlives configurations."""

    def __init__(self, settings: IdempotencySettings) -> None:
        self.store = IdempotencyStore(settings, monotonic)
        self.room = Room(settings.memory)
        self.alone: set[KeyedCall] = set()

    def limit(self, settings: IdempotencySettings) -> None:
        """Go by other settings from now on."""
        self.store.limit(settings)
        self.room.most = settings.memory

    async def close(self) -> None:
        """The broker stops: nobody comes back."""
        tasks = [call.cut(None) for call in list(self.alone)]
        await asyncio.gather(*tasks, return_exceptions=True)


class KeyedCall:
    """One call, made by a task of its own; as a `Reply`, its answer."""

    head: ResponseHead
    body: Body | None

    def __init__(self, keys: IdempotencyKeys, claim: Claim, exchange: Exchange, body: Body | None) -> None:
        """`body`: the call's, which the caller is not needed for."""
        self._keys = keys
        self._claim = claim
        self._exchange = exchange
        made = self._made = copy(exchange)
        made.body, made.delivery = body, claim
        # Its end is another than that of the call that asked for it, and so are its places from then on.
        made.task, made.held = None, []
        self._task: asyncio.Task[Reply]
        self._reply: Reply | None = None
        self._collected = Collected(keys.room, keys.store.settings.answer_most, self._full)
        self._copied: Copied | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._over = False

    async def answer(self, inner: UpstreamPort, plan: RoutePlan) -> Reply:
        """Make the call; raises `BrokerError`."""
        self._task = asyncio.get_running_loop().create_task(self._make(inner, plan))
        self._task.add_done_callback(self._made_or_failed)
        try:
            return await asyncio.shield(self._task)
        except asyncio.CancelledError:
            self.cancel()
            raise

    async def _make(self, inner: UpstreamPort, plan: RoutePlan) -> Reply:
        with abandoning(self._made):
            reply = self._reply = await inner.send(self._made, plan)
        self.head, self.body = reply.head, None
        if reply.body is None:
            self._ended(True)
        else:
            self._copied = self.body = Copied(reply.body, self._collected, self._ended, alone=self._alone)
            self._copied.start()
        return self

    def _made_or_failed(self, task: "asyncio.Task[Reply]") -> None:
        if task.cancelled():
            self._ended(False)
            return
        error = task.exception()
        if error is None:
            return
        if self._alone:
            self._tell(error)
        self._ended(False)

    def _ended(self, whole: bool) -> None:
        if self._over:
            return
        self._over = True
        if whole and self._collected.whole:
            self._claim.keep(KeptAnswer(self.head, self._collected.take()))
        else:
            self._collected.drop()
            self._claim.give_up()
        if self._timer is not None:
            self._timer.cancel()
        self._keys.alone.discard(self)
        self._made.give_back()

    # Without its caller.

    @property
    def _alone(self) -> bool:
        return self in self._keys.alone

    def cancel(self) -> None:
        """Nobody waits any more: go on for the sake of the answer where that may be, else give it up."""
        if self._over:
            return
        exchange = self._exchange
        self._made.held += exchange.held
        exchange.held.clear()
        left = exchange.due - monotonic()
        if isinstance(exchange.interruption, CallerGone) and left > 0 and self._worth_it():
            self._go_on(left)
        else:
            self.cut(exchange.interruption)

    def _worth_it(self) -> bool:
        # A login that belongs to the caller's connection has ended with it.
        head, plan = self._made.head, self._made.plan
        pinned = plan is not None and authenticates_connection(head, plan.dropped)
        return self._collected.whole and not pinned and len(self._keys.alone) < MOST_ALONE

    def _go_on(self, seconds: float) -> None:
        self._keys.alone.add(self)
        late = BrokerError("upstream_timeout", "The deadline of the route passed.")
        self._timer = asyncio.get_running_loop().call_later(seconds, self.cut, late)
        if self._copied is not None:
            self._copied.leave()

    def _full(self) -> None:
        if self._alone:
            self.cut(None)

    def cut(self, reason: BaseException | None) -> "asyncio.Task[Reply]":
        """End it, and tell of what nobody else will be told; gives its task."""
        if self._alone and isinstance(reason, BrokerError):
            self._tell(reason)
        self._made.interruption = reason
        if not self._task.done():
            self._task.cancel()
        elif self._reply is not None and not self._over:
            self._reply.cancel()
            self._ended(False)
        return self._task

    def _tell(self, error: BaseException) -> None:
        plan = self._made.plan
        told = {"request_id": self._made.request_id, "route": plan.name if plan is not None else None}
        if isinstance(error, BrokerError):
            more = {"event": error.code, "upstream": plan.upstream.name if plan else None, "cause": error.cause}
            log.warning("%s (its caller had left)", error, extra={**told, **more})
        else:
            log.error("a call failed inside the broker", exc_info=error, extra=told)
