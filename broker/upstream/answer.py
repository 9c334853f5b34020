"""What a call to an upstream comes to."""

import asyncio
from collections.abc import Callable
from typing import Protocol

from broker.core.body import Body
from broker.core.exchange import Exchange
from broker.core.heads import ResponseHead
from broker.upstream.informed import Informed, tell_failure


class Stale(Exception):
    """A kept connection ended before a byte of the answer came: the endpoint had given it up."""


def _taken_over(exchange: Exchange) -> Callable[[], None]:
    """What gives the call's places back: it is done with them itself."""
    places = list(exchange.held)
    exchange.held.clear()

    def leave() -> None:
        for place in places:
            place.leave()

    return leave


class Cancellable(Protocol):
    """A connection with a call on it."""

    def cancel(self) -> None:
        """Give the call up, and the connection with it."""

    def abandon(self, answered: "asyncio.Future[Answer]", over: Callable[[], None] | None) -> None:
        """Nobody waits for this answer any more; see `UpstreamConnection.abandon`."""


class Answer:
    """An upstream's answer: its head, and its body as it comes."""

    __slots__ = ("_connection", "_informed", "body", "coming", "head")

    def __init__(self, head: ResponseHead, body: Body | None, connection: Cancellable) -> None:
        self.head = head
        self.body = body
        self.coming = body
        """What the connection feeds; `body` may be another by then, which is made of it."""
        self._connection = connection
        self._informed: Informed | None = None

    def tell_end(self, informed: Informed) -> None:
        """Tell how the answer ends: once all of it has come, or it broke off, or nobody takes the rest."""
        coming = self.coming
        if coming is None or coming.complete:
            informed.success()
        elif coming.error is not None:
            tell_failure(informed, coming.error)
        else:
            self._informed = informed

    def finish(self) -> None:
        """All of it has come."""
        informed, self._informed = self._informed, None
        if informed is not None:
            informed.success()
        if self.coming is not None:
            self.coming.finish()

    def fail(self, error: Exception) -> None:
        """It broke off."""
        informed, self._informed = self._informed, None
        if informed is not None:
            tell_failure(informed, error)
        if self.coming is not None:
            self.coming.fail(error)

    def given_up(self) -> None:
        """Nobody waits for the rest: how it ends says nothing of the target."""
        informed, self._informed = self._informed, None
        if informed is not None:
            informed.ignored()

    def cancel(self) -> None:
        """Nobody takes the rest of the body: reset the connection, unless it has come already."""
        if self.coming is not None and not self.coming.complete:
            self._connection.cancel()


async def answer_of(
    connection: Cancellable, answered: "asyncio.Future[Answer]", exchange: Exchange | None = None
) -> Answer:
    """Wait for an answer; a cancelled wait resets the connection.

    Where calls under way are counted, the connection and the places are kept until the service is done with the call:
    an old one works on for a caller that has left, and would be given one call too many.
    """
    try:
        return await answered
    except asyncio.CancelledError:
        if not answered.done() or answered.cancelled():
            connection.abandon(answered, None if exchange is None or not exchange.held else _taken_over(exchange))
        elif answered.exception() is None:
            # The whole answer may have come already, and the connection serve another call.
            answered.result().cancel()
        raise
    finally:
        # Else an error and this frame would keep each other, and the call's body with them.
        del answered


def let_go(over: Callable[[], None], answered: "asyncio.Future[Answer]") -> None:
    """An answer that nobody waits for is there, or failed: give it up, and say that it is over."""
    if not answered.cancelled() and answered.exception() is None:
        answered.result().cancel()
    over()
