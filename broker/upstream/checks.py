"""Health checks: each target is asked now and then, on a connection of its own, as calls would reach it."""

import asyncio
import logging
import random as _random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from broker.core.alarms import AlarmWheel
from broker.core.errors import BrokerError
from broker.policy.health import Health
from broker.tls.engine import ClientTls
from broker.upstream.answer import answer_of
from broker.upstream.bodies import collect
from broker.upstream.connection import UpstreamConnection
from broker.upstream.dial import dial
from broker.upstream.origin import Origin, UpstreamSettings
from broker.upstream.pool import Pool

log = logging.getLogger(__name__)

_RANDOM = _random.Random()  # noqa: S311  spreads load, guards nothing
_FIRST_WITHIN: Final = 0.1
"""Of an interval: a broker that has just started soon knows how its targets are."""
_JITTER: Final = 0.1
"""Of an interval, either way: many brokers do not ask at the same moment."""


@dataclass(frozen=True, slots=True)
class CheckSettings:
    """What is asked, how often (in seconds), and what a good answer is."""

    interval: float
    timeout: float
    path: bytes = b""
    """Empty: a connection is enough."""
    host: bytes = b""
    """What the Host header says; empty: the target."""
    statuses: frozenset[int] = frozenset({200})
    text: bytes = b""
    """What the body has to hold."""


class Checks:
    """The checks of all targets of an upstream; one at a time for each."""

    def __init__(
        self,
        watched: Sequence[tuple[Pool, Health]],
        check: CheckSettings,
        settings: UpstreamSettings,
        wheel: AlarmWheel,
        random: Callable[[], float] = _RANDOM.random,
    ) -> None:
        """`watched`: the pools say where the targets are, and whether they are still in use; none is taken from them.

        `random` gives numbers in [0, 1), for the jitter.
        """
        self._watched = watched
        self._check = check
        self._settings = replace(settings, connect=check.timeout, first_byte=check.timeout, idle=check.timeout)
        self._wheel = wheel
        self._random = random
        self.tls: ClientTls | None = None
        """TLS as the calls speak it, where their credential shows a certificate; None: as the upstream says."""
        self._task: asyncio.Task[None] | None = None
        self.started = False
        """Also after the end: what was closed does not start again."""

    def start(self) -> None:
        """Begin to ask, in the running loop; once."""
        if not self.started:
            self.started = True
            self._task = asyncio.get_running_loop().create_task(self._run(), name="health-checks")

    def close(self) -> None:
        """Ask no more; a check under way is given up."""
        self.started = True
        if self._task is not None:
            self._task.cancel()

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for pool, health in self._watched:
                group.create_task(self._watch(pool, health))

    async def _watch(self, pool: Pool, health: Health) -> None:
        interval = self._check.interval
        await asyncio.sleep(interval * _FIRST_WITHIN * self._random())
        while not pool.closed:
            fault = await self._fault(pool.origin if self.tls is None else replace(pool.origin, tls=self.tls))
            health.checked(not fault, fault)
            await asyncio.sleep(interval * (1 + _JITTER * (2 * self._random() - 1)))

    async def _fault(self, origin: Origin) -> str:
        """What is wrong with a target, for the log; empty when nothing is."""
        try:
            async with asyncio.timeout(self._check.timeout):
                return await self._ask(origin)
        except TimeoutError:
            return "no answer in time"
        except BrokerError as error:
            return f"{error.code}: {error.cause or error.detail}"
        except Exception as error:
            # One target's surprise must not end the checks of all others.
            log.exception("a health check failed", extra={"event": "health_check_failed"})
            return repr(error)

    async def _ask(self, origin: Origin) -> str:
        connection = await dial(origin, self._settings, self._wheel, _released)
        try:
            fault = await self._judge(connection, origin) if self._check.path else ""
            connection.close()
        finally:
            # After `close` this does nothing.
            if not connection.closing:
                connection.abort()
        return fault

    async def _judge(self, connection: UpstreamConnection, origin: Origin) -> str:
        check = self._check
        answer = await answer_of(connection, connection.call(b"GET", self._head(origin), None, chunked=False))
        status = answer.head.status
        if status not in check.statuses:
            answer.cancel()
            return f"status {status}"
        if check.text and check.text not in await collect(answer):
            return "the text is not in the body"
        answer.cancel()
        return ""

    def _head(self, origin: Origin) -> bytes:
        http = self._settings.http
        version = b"1.0" if http is not None and http.answers.asked_in_1_0 else b"1.1"
        host = self._check.host or origin.authority
        return b"GET %b HTTP/%b\r\nHost: %b\r\nConnection: close\r\n\r\n" % (self._check.path, version, host)


def _released(connection: UpstreamConnection) -> None:
    """The connection of a check goes back to nobody."""
