"""What a call to an upstream comes to."""

import asyncio
from collections.abc import Callable
from typing import Protocol

from broker.core.body import Body
from broker.core.exchange import Exchange
from broker.core.heads import ResponseHead


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

    __slots__ = ("_connection", "body", "head")

    def __init__(self, head: ResponseHead, body: Body | None, connection: Cancellable) -> None:
        self.head = head
        self.body = body
        self._connection = connection

    def cancel(self) -> None:
        """Nobody takes the rest of the body: reset the connection, unless it has come already."""
        if self.body is not None and not self.body.complete:
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
