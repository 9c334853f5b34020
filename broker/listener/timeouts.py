"""The deadlines of one caller's connection: which phase it is in, and until when."""

from math import inf

from broker.config.model import ListenerTimeouts

RATE_WINDOW = 30.0
"""Seconds over which the minimum rate of a body is measured."""


class Deadlines:
    """Due times in event-loop seconds; `inf` where nothing is awaited."""

    __slots__ = ("body", "body_bytes", "call", "phase", "rate", "settings", "write", "write_left")

    def __init__(self, settings: ListenerTimeouts) -> None:
        self.settings = settings
        self.phase = inf
        """End of the handshake, of the head, of idleness, or of closing."""
        self.body = inf
        """The request's body must have moved by then."""
        self.rate = inf
        """The minimum rate of the request's body is looked at then."""
        self.body_bytes = 0
        """Size of the body when the rate was last looked at."""
        self.write = inf
        """The caller must have read something by then."""
        self.write_left = 0
        """Bytes that waited for the caller when that was last looked at."""
        self.call = inf
        """The whole call must be over by then."""

    def next(self) -> float:
        """The earliest of them."""
        return min(self.phase, self.body, self.rate, self.write, self.call)

    def end_call(self) -> None:
        """The call is over: nothing of it is awaited any more."""
        self.body = self.rate = self.call = inf
