"""Kept connections of one target: the last used is used first, so that the surplus ages out."""

import random as _random
from collections import deque
from time import monotonic

from broker.core.alarms import Alarm, AlarmWheel
from broker.upstream.connection import UpstreamConnection
from broker.upstream.dial import dial
from broker.upstream.origin import Origin, UpstreamSettings

_RANDOM = _random.Random()  # noqa: S311  spreads load, guards nothing


class Pool:
    """Idle connections to one origin, and the way to new ones."""

    def __init__(self, origin: Origin, settings: UpstreamSettings, wheel: AlarmWheel) -> None:
        self.origin = origin
        self._settings = settings
        self._wheel = wheel
        self._idle: deque[UpstreamConnection] = deque()
        self._busy: set[UpstreamConnection] = set()
        self._reserved: set[UpstreamConnection] = set()
        self._expiry = Alarm(self._expire)
        self._closed = False
        self._dialing = 0
        age, idle = settings.pool_age, settings.pool_idle
        self._longest_idle = min(age, idle) if age else idle

    @property
    def idle(self) -> int:
        """How many connections wait for a call."""
        return len(self._idle)

    @property
    def closed(self) -> bool:
        """Whether connections end with their calls: the pool is no longer in use."""
        return self._closed

    @property
    def busy(self) -> int:
        """How many connections serve a call."""
        return len(self._busy)

    @property
    def load(self) -> int:
        """How many calls are under way, those that wait for a new connection included."""
        return len(self._busy) + self._dialing

    def take(self, *, certain: bool) -> UpstreamConnection | None:
        """A kept connection, or None.

        The event loop drops those that it saw end. `certain` asks the kernel too, for calls that cannot be repeated:
        it may know of an end that the loop has not come to yet. So do wary connections, for bytes that would be taken
        for the answer.
        """
        while self._idle:
            connection = self._idle.pop()
            if not (certain or connection.wary) or connection.alive():
                self._busy.add(connection)
                return connection
            connection.abort()
        return None

    async def fresh(self) -> UpstreamConnection:
        """A new connection; raises `BrokerError`."""
        self._dialing += 1
        try:
            connection = await dial(self.origin, self._settings, self._wheel, self._released)
        finally:
            self._dialing -= 1
        if self._settings.pool_age:
            # Connections that were made together do not all end together: handshakes are dear.
            connection.retires = monotonic() + self._settings.pool_age * (0.9 + 0.2 * _RANDOM.random())
        self._busy.add(connection)
        return connection

    def reserve(self, connection: UpstreamConnection) -> None:
        """Keep a busy connection out of the pool when its call ends: a handshake goes on with its next step."""
        self._reserved.add(connection)

    def unreserve(self, connection: UpstreamConnection) -> None:
        """The handshake is over: the connection goes back when its call ends, or now, where it has."""
        self._reserved.discard(connection)
        if connection.free:
            self._released(connection)

    def _released(self, connection: UpstreamConnection) -> None:
        if connection in self._reserved and not connection.closing:
            return
        self._reserved.discard(connection)
        if connection in self._busy:
            self._busy.discard(connection)
            if connection.reusable and not connection.closing:
                self._keep(connection)
        elif connection.closing:
            self._forget(connection)

    def _keep(self, connection: UpstreamConnection) -> None:
        settings = self._settings
        if self._closed or not settings.pool_idle or len(self._idle) >= settings.pool_size:
            connection.close()
            return
        if connection.idle_since >= connection.retires:
            connection.close()
            return
        self._idle.append(connection)
        if len(self._idle) == 1:
            self._watch(connection)

    def _forget(self, connection: UpstreamConnection) -> None:
        try:
            self._idle.remove(connection)
        except ValueError:
            pass

    def _watch(self, oldest: UpstreamConnection) -> None:
        self._wheel.set(self._expiry, oldest.idle_since + self._longest_idle)

    def _expire(self) -> None:
        before = monotonic() - self._longest_idle
        while self._idle and self._idle[0].idle_since <= before:
            self._idle.popleft().close()
        if self._idle:
            self._watch(self._idle[0])

    def close(self) -> None:
        """Close what is idle; what is busy closes when its call ends."""
        self._closed = True
        self._expiry.end()
        while self._idle:
            self._idle.pop().close()
