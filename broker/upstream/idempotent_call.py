"""A call with an `Idempotency-Key`: it may go on without its caller, who comes back for the answer."""

import asyncio
import logging
from copy import copy
from time import monotonic

from broker.core.body import Body
from broker.core.errors import BrokerError
from broker.core.exchange import CallerGone, Exchange
from broker.core.heads import ResponseHead
from broker.core.plan import Reply, RoutePlan, UpstreamPort
from broker.policy.idempotency import IdempotencySettings, IdempotencyStore
from broker.policy.idempotency_claim import Claim, KeptAnswer
from broker.upstream.altered import abandoning
from broker.upstream.idempotent_alone import Alone
from broker.upstream.idempotent_answer import Collected, Copied, Room
from broker.upstream.pinned import authenticates_connection

log = logging.getLogger(__name__)


class IdempotencyKeys:
    """What all routes share: the keys, and the calls that go on without a caller. It outlives configurations."""

    def __init__(self, settings: IdempotencySettings) -> None:
        self.store = IdempotencyStore(settings, monotonic)
        self.room = Room(settings.memory, settings.memory_each)
        self.alone = Alone()

    def limit(self, settings: IdempotencySettings) -> None:
        """Go by other settings from now on."""
        self.store.limit(settings)
        self.room.limit(settings.memory, settings.memory_each)

    async def close(self) -> None:
        """The broker stops: nobody comes back."""
        stopped = BrokerError("drain_timeout", "The broker stops.")
        tasks = [task for call in self.alone if (task := call.cut(stopped)) is not None]
        await asyncio.gather(*tasks, return_exceptions=True)


class KeyedCall:
    """One call, made by a task of its own; as a `Reply`, its answer."""

    head: ResponseHead
    body: Body | None

    def __init__(self, keys: IdempotencyKeys, owner: str, claim: Claim, exchange: Exchange, body: Body | None) -> None:
        """`owner`: whose key it is. `body`: the call's, which the caller is not needed for."""
        self.owner = owner
        self._keys = keys
        self._claim = claim
        self._exchange = exchange
        made = self._made = copy(exchange)
        made.body, made.delivery = body, claim
        # Its end is another than that of the call that asked for it, and so are its places from then on.
        made.task, made.held = None, []
        self._task: asyncio.Task[None] | None = None
        self._reply: Reply | None = None
        self._collected = Collected(keys.room, owner, keys.store.settings.answer_most)
        self._copied: Copied | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._over = False

    async def answer(self, inner: UpstreamPort, plan: RoutePlan) -> Reply:
        """Make the call; raises `BrokerError`."""
        task = self._task = asyncio.get_running_loop().create_task(self._make(inner, plan))
        task.add_done_callback(self._made_or_failed)
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            self.cancel()
            raise
        finally:
            # Else an error and this frame would keep each other.
            del task
        return self

    async def _make(self, inner: UpstreamPort, plan: RoutePlan) -> None:
        with abandoning(self._made):
            reply = self._reply = await inner.send(self._made, plan)
        self.head, self.body = reply.head, None
        if reply.body is None:
            self.ended(True)
        else:
            self._copied = self.body = Copied(reply.body, self._collected, self, alone=self._alone)
            self._copied.start()

    def _made_or_failed(self, task: "asyncio.Task[None]") -> None:
        # Nothing here leads back to this call, so that all of it goes with its last reader.
        self._task = self._made.body = None
        if task.cancelled():
            self.ended(False)
            return
        error = task.exception()
        if error is None:
            return
        if self._alone:
            self._tell(error)
        self.ended(False)

    def ended(self, whole: bool) -> None:
        """Nothing more comes of the answer; `whole`: all of it is there. The first end counts."""
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
        if self._copied is not None:
            self._copied.let_go()

    # Without its caller.

    @property
    def making(self) -> "asyncio.Task[None] | None":
        """The task that makes it, until its answer begins."""
        return self._task

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
        return self._collected.whole and not pinned and self._keys.alone.room_for(self.owner)

    def _go_on(self, seconds: float) -> None:
        self._keys.alone.add(self)
        late = BrokerError("upstream_timeout", "The deadline of the route passed.")
        self._timer = asyncio.get_running_loop().call_later(seconds, self.cut, late)
        if self._copied is not None:
            self._copied.leave()

    def useless(self) -> None:
        """Its answer is too large to be kept, and nobody else wants it."""
        self.cut(None)

    def cut(self, reason: BaseException | None) -> "asyncio.Task[None] | None":
        """End it, and tell of what nobody else will be told; gives its task, where that is not over."""
        if self._alone and isinstance(reason, BrokerError):
            self._tell(reason)
        self._made.interruption = reason
        task = self._task
        if self._reply is not None:
            # Its task is over, or about to be: it may be what asks for this.
            if not self._over:
                self._reply.cancel()
                self.ended(False)
        elif task is not None and not task.done():
            task.cancel()
        return task

    def _tell(self, error: BaseException) -> None:
        plan = self._made.plan
        told = {"request_id": self._made.request_id, "route": plan.name if plan is not None else None}
        if isinstance(error, BrokerError):
            more = {"event": error.code, "upstream": plan.upstream.name if plan else None, "cause": error.cause}
            log.warning("%s (its caller had left)", error, extra={**told, **more})
        else:
            log.error("a call failed inside the broker", exc_info=error, extra=told)
