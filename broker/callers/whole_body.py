"""A request's body, held back until somebody has looked at all of it, and then given on as it came."""

import asyncio

from broker.core.body import Body
from broker.core.errors import BrokerError
from broker.core.exchange import Exchange


class BodyHolder:
    """Holds bodies for one check: each up to a limit, and all that nobody has vouched for yet up to a total."""

    def __init__(self, limit: int, total: int) -> None:
        self._limit = limit
        self._total = total
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
        taken = body.take()
        if taken is not None:
            return [taken]
        if exchange.head.expects_continue and not body.size:
            exchange.caller_side.send_continue()
        collector = _Collector(self, body, limit)
        try:
            await collector.collect()
        finally:
            self.held -= collector.size
        exchange.body = _held(collector.pieces)
        return collector.pieces

    def take(self, size: int) -> bool:
        """Whether so much more may be held."""
        self.held += size
        return self.held <= self._total


class _Collector:
    """The sink that a body is drained into."""

    def __init__(self, holder: BodyHolder, body: Body, limit: int) -> None:
        self._holder = holder
        self._body = body
        self._limit = limit
        self._done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.pieces: list[bytes] = []
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
        self.pieces.append(data)
        self.size += len(data)
        enough = self._holder.take(len(data))
        if self.size > self._limit:
            self.fail(BrokerError("body_too_large"))
        elif not enough:
            self.fail(BrokerError("overloaded", "Too many bodies wait for their signatures to be checked."))

    def finish(self) -> None:
        if not self._done.done():
            self._done.set_result(None)

    def fail(self, error: Exception) -> None:
        if not self._done.done():
            self._done.set_exception(error)


class _Nobody:
    """The source of a body that is all there."""

    def pause_body(self) -> None:
        """There is nothing to pause."""

    def resume_body(self) -> None:
        """Nor to resume."""


def _held(pieces: list[bytes]) -> Body:
    body = Body(_Nobody())
    for piece in pieces:
        body.feed(piece)
    body.finish()
    return body
