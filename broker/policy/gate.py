"""What a call passes before it costs the upstream anything: rates first, then a place among the calls under way."""

from collections.abc import Mapping, Sequence

from broker.core.exchange import Exchange
from broker.policy.adaptive_bulkhead import AdaptiveBulkhead
from broker.policy.bulkhead import Bulkhead
from broker.policy.fair_queue import Priority
from broker.policy.meter import Meter, Taken
from broker.policy.pause import Pauses
from broker.policy.refusal import refusal
from broker.policy.shared_bucket import Refused, SharedLimits, StoreAway


class Gate:
    """The limits that one route's calls pass."""

    def __init__(
        self,
        meters: Sequence[Meter],
        caller_meters: Mapping[str, Meter],
        bulkheads: Sequence[Bulkhead],
        priority: Priority,
        caller_priorities: Mapping[str, Priority],
        pauses: Pauses,
        upstream: str,
        route: str,
        store: SharedLimits | None = None,
    ) -> None:
        """`bulkheads`: in the order in which they are entered, the narrower first; `store`: where rates are shared."""
        self._meters = meters
        self._caller_meters = caller_meters
        self._bulkheads = bulkheads
        self._priority = priority
        self._caller_priorities = caller_priorities
        self._pauses = pauses
        self._limited = bool(meters or caller_meters or bulkheads)
        self._upstream = upstream
        self._route = route
        self._store = store if meters or caller_meters else None

    @property
    def open(self) -> bool:
        """Whether every call passes: the route has no limit, and no upstream asked for a pause."""
        return not (self._limited or self._pauses.until)

    def priority_of(self, caller: str) -> Priority:
        """The caller's own priority counts, then the route's."""
        return self._caller_priorities.get(caller, self._priority)

    async def enter(self, exchange: Exchange) -> None:
        """Pass, after a wait if need be; raises `rate_limited` or `overloaded`, with a `Retry-After` that is true."""
        priority = self.priority_of(exchange.caller)
        self._heed_pause(exchange.caller)
        store = self._store
        taken = (
            self._take(exchange.caller, priority)
            if store is None
            else await self._take_shared(store, exchange.caller, priority)
        )
        try:
            await self._place(exchange, priority)
        except BaseException:
            # What was refused, or left, has cost nothing.
            taken.undo()
            raise

    async def _place(self, exchange: Exchange, priority: Priority) -> None:
        waited: float | None = None
        for bulkhead in self._bulkheads:
            if not bulkhead.try_enter():
                waited = await bulkhead.enter(priority, exchange.due, waited or 0.0)
            exchange.held.append(bulkhead)
            if isinstance(bulkhead, AdaptiveBulkhead) and bulkhead.adapts:
                exchange.watcher = bulkhead
        if waited is not None:
            self._heed_pause(exchange.caller)

    def _heed_pause(self, caller: str) -> None:
        left = self._pauses.left_for(self._upstream, self._route, caller)
        if left:
            raise refusal("overloaded", left, "The upstream asked to be left alone for a while.")

    def _meters_of(self, caller: str) -> Sequence[Meter]:
        own = self._caller_meters.get(caller)
        return [own, *self._meters] if own is not None else self._meters

    def _take(self, caller: str, priority: Priority) -> Taken:
        taken, longest, words = Taken(), 0.0, ""
        for meter in self._meters_of(caller):
            # All are asked: who came back when the first has a token would be refused by the next.
            wait = meter.take(priority, taken.buckets)
            if wait > longest:
                longest, words = wait, meter.words
        if longest:
            # What was refused here has cost nothing elsewhere.
            taken.undo()
            raise refusal("rate_limited", longest, words)
        return taken

    async def _take_shared(self, store: SharedLimits, caller: str, priority: Priority) -> Taken:
        """What all replicas share decides; while that cannot be had, this process does by itself."""
        meters = self._meters_of(caller)
        if not meters:
            return Taken()
        try:
            answer = await store.take([meter.asked(priority) for meter in meters])
        except StoreAway:
            return self._take(caller, priority)
        if isinstance(answer, Refused):
            raise refusal("rate_limited", answer.wait, meters[answer.index].words)
        taken = Taken(store, answer)
        for meter in meters:
            # The buckets here follow, so that a store that goes away leaves no full ones behind.
            meter.follow(answer, taken.buckets)
        return taken
