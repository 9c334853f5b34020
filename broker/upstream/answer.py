"""What a call to an upstream comes to."""

import asyncio
from typing import Protocol

from broker.core.body import Body
from broker.core.heads import ResponseHead


class Stale(Exception):
    """A kept connection ended before a byte of the answer came: the endpoint had given it up."""


class Cancellable(Protocol):
    """A connection with a call on it."""

    def cancel(self) -> None:
        """Give the call up, and the connection with it."""


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


async def answer_of(connection: Cancellable, answered: "asyncio.Future[Answer]") -> Answer:
    """Wait for an answer; a cancelled wait resets the connection."""
    try:
        return await answered
    except asyncio.CancelledError:
        if not answered.done() or answered.cancelled():
            connection.cancel()
        elif answered.exception() is None:
            # The whole answer may have come already, and the connection serve another call.
            answered.result().cancel()
        raise
