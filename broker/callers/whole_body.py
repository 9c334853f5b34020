"""A request's body, held back until somebody has looked at all of it, and then given on as it came."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from time import monotonic
from typing import Final

from broker.callers.address import client_key
from broker.core.body import Body, BodySink
from broker.core.errors import BrokerError
from broker.core.exchange import Exchange
from broker.policy.held_bodies import HeldBodies, HeldShare

SHARES: Final = 4
"""The part of the room that one address may fill: one in so many."""
_HEAD_START: Final = 16 * 1024
"""Bytes that every body is taken to have brought already, so that one that has just begun is not the slowest."""


@dataclass(slots=True)
class _Share:
    """What one address fills."""

    held: int = 0
    bodies: set["_Collector"] = field(default_factory=set)


class BodyHolder:
    """Holds bodies for one check: each up to a limit, and all that nobody has vouched for yet up to a total.

    Anybody can send such a body and leave it unfinished. So an address has a share of the room only, and where there is
    no room, the slowest body gives way to those that come on.
    """

    def __init__(self, limit: int, total: int, budget: HeldBodies | None = None) -> None:
        """`budget`: what all calls hold together; a body counts until the call sends it, or ends."""
        self.budget = budget
        self._limit = limit
        self._total = total
        self._share = max(total // SHARES, limit)
        self._shares: dict[str, _Share] = {}
        self.held = 0

    async def whole(self, exchange: Exchange) -> list[bytes]:
        """All of the body in pieces; the call goes on with what was held. Raises `BrokerError`.

        A caller that waits for `100 Continue` is told to go on.
        """
        body = exchange.body
        if body is None:
            return []
        limit = self._limit
        plan = exchange.plan
        if plan is not None and plan.max_body is not None:
            limit = min(limit, plan.max_body)
        if max(exchange.head.length, body.size) > limit:
            raise BrokerError("body_too_large")
        if self.budget is not None:
            self.budget.check(exchange.head.length)
        taken = body.take()
        if taken is not None:
            return [taken]
        if exchange.head.expects_continue and not body.size:
            exchange.caller_side.send_continue()
        collector = _Collector(self, body, limit, client_key(exchange))
        self._shares.setdefault(collector.key, _Share()).bodies.add(collector)
        try:
            await collector.collect()
        except BaseException:
            collector.share.leave()
            raise
        finally:
            self.release(collector)
        exchange.body = _HeldBody(collector.pieces, collector.share)
        call = asyncio.current_task()
        if call is not None:
            call.add_done_callback(lambda _: collector.share.leave())
        return collector.pieces

    def take(self, collector: "_Collector", size: int) -> None:
        """So much more of a body came: others give way to it, or it gives way itself."""
        share = self._shares[collector.key]
        share.held += size
        self.held += size
        while share.held > self._share and share.bodies:
            self._give_way(share.bodies)
        while self.held > self._total and self._shares:
            self._give_way([body for each in self._shares.values() for body in each.bodies])

    def _give_way(self, bodies: Iterable["_Collector"]) -> None:
        now = monotonic()
        slowest = max(bodies, key=lambda body: (now - body.began) / (body.size + _HEAD_START))
        slowest.fail(BrokerError("overloaded", "Too many bodies wait for their signatures to be checked."))
        # At once: the room is wanted now, and the task that waits for the body gets its turn later.
        self.release(slowest)

    def release(self, collector: "_Collector") -> None:
        """A body is no longer held here."""
        share = self._shares.get(collector.key)
        if share is None or collector not in share.bodies:
            return
        share.bodies.remove(collector)
        share.held -= collector.size
        self.held -= collector.size
        if not share.bodies:
            del self._shares[collector.key]


class _Collector:
    """The sink that a body is drained into."""

    def __init__(self, holder: BodyHolder, body: Body, limit: int, key: str) -> None:
        self._holder = holder
        self._body = body
        self._limit = limit
        self._done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.key = key
        self.began = monotonic()
        self.pieces: list[bytes] = []
        self.share = (holder.budget or HeldBodies()).share()
        self.size = 0

    async def collect(self) -> None:
        """Wait for the end of the body; raises what broke it off."""
        self._body.drain(self)
        try:
            await self._done
        except asyncio.CancelledError:
            if not self._done.cancelled():
                # Whoever cancelled the call knows the reason, and nobody else will ask for it.
                self._done.exception()
            raise

    def write(self, data: bytes) -> None:
        if self._done.done():
            return
        try:
            self.share.grow(len(data))
        except BrokerError as error:
            self.fail(error)
            return
        self.pieces.append(data)
        self.size += len(data)
        self._holder.take(self, len(data))
        if self.size > self._limit:
            self.fail(BrokerError("body_too_large"))

    def finish(self) -> None:
        if not self._done.done():
            self._done.set_result(None)

    def fail(self, error: Exception) -> None:
        if not self._done.done():
            self._done.set_exception(error)
            self.pieces.clear()
            self.share.leave()


class _Nobody:
    """The source of a body that is all there."""

    def pause_body(self) -> None:
        """There is nothing to pause."""

    def resume_body(self) -> None:
        """Nor to resume."""


class _HeldBody(Body):
    """What was held, to be sent, or held again by whoever counts it then."""

    __slots__ = ("_share",)

    def __init__(self, pieces: list[bytes], share: HeldShare) -> None:
        super().__init__(_Nobody())
        self._share = share
        for piece in pieces:
            self.feed(piece)
        self.finish()

    def drain(self, sink: BodySink) -> None:
        self._share.leave()
        super().drain(sink)
