"""The deadlines of one caller's connection: which phase it is in, and until when."""

from enum import Enum
from math import inf
from time import monotonic
from typing import Final, Protocol

from broker.config.model import ListenerTimeouts
from broker.core.alarms import Alarm
from broker.core.body import Body
from broker.listener.host import Host

RATE_WINDOW = 30.0
"""Seconds over which the minimum rate of a body is measured."""
LINGER: Final = 2.0
"""Seconds in which a refused caller may still send, so that a reset does not destroy the answer on its way."""

REST: Final = 5.0
"""Seconds at most in which the rest of an answered request has to come."""


class Phase(Enum):
    """What the connection waits for."""

    HANDSHAKE = "handshake"
    IDLE = "idle"
    HEAD = "head"
    CALL = "call"
    REST = "rest"
    LINGER = "linger"
    CLOSE = "close"


class Timed(Protocol):
    """A connection whose deadlines are watched, and what it does when one has passed."""

    write_blocked: bool

    @property
    def waiting(self) -> int:
        """Bytes that the caller has not taken yet."""

    @property
    def arriving(self) -> Body | None:
        """The body that is on its way."""

    def phase_over(self) -> None:
        """The handshake, the head, the idleness, the rest of a body or the closing took too long."""

    def body_late(self) -> None:
        """The body stands still, or is too slow."""

    def call_late(self) -> None:
        """The deadline of the whole call has passed."""

    def abort(self) -> None:
        """The caller takes nothing of its answer: reset the connection."""


class _Gone:
    """Stands for a connection that is gone."""

    write_blocked = False
    waiting = 0
    arriving = None

    def phase_over(self) -> None:
        """Nothing is awaited."""

    body_late = call_late = abort = phase_over


_GONE: Final = _Gone()


class Deadlines:
    """Due times in event-loop seconds; `inf` where nothing is awaited. One alarm watches them all."""

    __slots__ = (
        "_alarm",
        "_body",
        "_body_bytes",
        "_call",
        "_connection",
        "_host",
        "_rate",
        "_until",
        "_write",
        "_write_left",
        "phase",
        "settings",
    )

    def __init__(self, host: Host, settings: ListenerTimeouts, connection: Timed) -> None:
        self._host = host
        self.settings = settings
        self._connection: Timed = connection
        self._alarm = Alarm(self._ring)
        self.phase = Phase.HANDSHAKE
        self._until = inf
        """End of the handshake, of the head, of idleness, of the rest of a body, or of closing."""
        self._body = inf
        """The request's body must have moved by then."""
        self._rate = inf
        """The minimum rate of the request's body is looked at then."""
        self._body_bytes = 0
        """Size of the body when the rate was last looked at."""
        self._write = inf
        """The caller must have read something by then."""
        self._write_left = 0
        """Bytes that waited for the caller when that was last looked at."""
        self._call = inf
        """The whole call must be over by then."""

    # What the connection tells.

    def wait(self, phase: Phase, seconds: float) -> None:
        """A phase begins that may take so long."""
        self.phase = phase
        self._until = due = monotonic() + seconds
        if due < self._alarm.due:
            self._watch(due)

    def begin_call(self) -> None:
        """A call begins: how long it may take is told by `call_until`."""
        self.phase = Phase.CALL
        self._until = inf

    def call_until(self, due: float) -> None:
        """The whole call has to be over at `due`."""
        self._call = due
        if due < self._alarm.due:
            self._watch(due)

    def end_call(self) -> None:
        """The call is over: nothing of it is awaited any more."""
        self._body = self._rate = self._call = inf

    def expect_body(self) -> None:
        """The body has to come, and go on coming."""
        now = monotonic()
        self._body = now + self.settings.body
        if self._host.body_rate:
            self._rate = now + RATE_WINDOW
            body = self._connection.arriving
            self._body_bytes = body.size if body is not None else 0
        self._host.wheel.set(self._alarm, self._next())

    def body_moved(self) -> None:
        """Some of it came."""
        self._body = monotonic() + self.settings.body

    def no_body(self) -> None:
        """It is complete, or nobody wants more of it now."""
        self._body = self._rate = inf

    def blocked(self) -> None:
        """The caller has to take some of what waits for it."""
        self._write_left = self._connection.waiting
        self._write = due = monotonic() + self.settings.write
        if due < self._alarm.due:
            self._watch(due)

    def unblocked(self) -> None:
        """The caller took enough."""
        self._write = inf

    def end(self) -> None:
        """The connection is gone, and nothing here refers to it any more."""
        self._alarm.end()
        self._connection = _GONE

    # The alarm.

    def _next(self) -> float:
        return min(self._until, self._body, self._rate, self._write, self._call)

    def _watch(self, due: float) -> None:
        """Have the alarm ring at `due`; one that rings earlier costs only a look, and stays as it is."""
        self._host.wheel.set(self._alarm, due)

    def _ring(self) -> None:
        now = monotonic()
        if self._until <= now:
            self._until = inf
            self._connection.phase_over()
        if self._body <= now or self._rate <= now:
            self._look_at_body(now)
        if self._write <= now:
            self._look_at_writing()
        if self._call <= now:
            self._call = inf
            self._connection.call_late()
        self._host.wheel.set(self._alarm, self._next())

    def _look_at_body(self, now: float) -> None:
        body = self._connection.arriving
        stalled = self._body <= now
        self._rate = now + RATE_WINDOW
        if body is None:
            self.no_body()
            return
        moved = body.size - self._body_bytes
        self._body_bytes = body.size
        if stalled or moved < self._host.body_rate * RATE_WINDOW:
            self.no_body()
            self._connection.body_late()

    def _look_at_writing(self) -> None:
        connection = self._connection
        left = connection.waiting
        if not connection.write_blocked:
            self._write = inf
        elif left < self._write_left:
            self._write_left = left
            self._write = monotonic() + self.settings.write
        else:
            # Left in the past, it would be filed again and again, and the wheel never come to an end.
            self._write = inf
            connection.abort()
