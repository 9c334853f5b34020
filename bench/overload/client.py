"""The load client, a process of its own: `python -m bench.overload.client SPECIFICATION`; prints one JSON object.

The specification is a JSON file: see `Specification`.
"""

import asyncio
import json
import ssl
import sys
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import monotonic, process_time
from typing import Any

from bench.overload.arrivals import arrivals, priority_of
from bench.overload.connection import GAVE_UP, RESET, Connection
from bench.overload.routes import key_of
from bench.overload.scenario import PRIORITIES, Scenario

HELD_BACK = -2
"""Outcome: not sent, because the client was told to wait."""
STARTS_IN = 0.5


@dataclass(frozen=True)
class Specification:
    """Where to, how, and what."""

    port: int
    ca: str
    """The certificate to trust; empty for plain HTTP."""
    obey: bool
    scenario: dict[str, Any]


class Clients:
    """All clients; each priority has connections of its own."""

    def __init__(self, specification: Specification) -> None:
        self.calls: list[tuple[float, int, int, float, int]] = []
        """(due, priority, outcome, seconds, `Retry-After` or -1)."""
        self.lateness: list[float] = []
        self.opened = 0
        self._given = specification
        self._scenario = Scenario(**specification.scenario)
        self._idle: list[list[Connection]] = [[] for _ in PRIORITIES]
        self._requests = [
            f"GET /stock/7 HTTP/1.1\r\nHost: localhost\r\nX-Api-Key: {key_of(name)}\r\n\r\n".encode()
            for name in PRIORITIES
        ]
        self._quiet: defaultdict[int, float] = defaultdict(float)
        self._context = ssl.create_default_context(cafile=specification.ca) if specification.ca else None
        self._opening: set[asyncio.Task[None]] = set()
        self._begin = 0.0

    async def run(self) -> None:
        """All arrivals, then what is left of the last one's patience."""
        plan = arrivals(self._scenario)
        self._begin = monotonic() + STARTS_IN
        for due, client in plan:
            early = self._begin + due - monotonic()
            if early > 0:
                await asyncio.sleep(early)
            self._arrive(due, client)
        end = monotonic() + self._scenario.patience + 1
        while len(self.calls) < len(plan) and monotonic() < end:
            await asyncio.sleep(0.05)

    def result(self) -> dict[str, Any]:
        """Everything that was seen."""
        return {
            "begin": self._begin,
            "calls": [(round(call[0], 4), *call[1:3], round(call[3], 4), call[4]) for call in self.calls],
            "late_p99": sorted(self.lateness)[int(0.99 * len(self.lateness))],
            "cpu_seconds": process_time(),
            "connections": self.opened,
        }

    def _arrive(self, due: float, client: int) -> None:
        now = monotonic()
        priority = priority_of(self._scenario, client)
        if self._given.obey and self._quiet[client] > now:
            self.calls.append((due, priority, HELD_BACK, 0.0, -1))
            return
        self.lateness.append(now - self._begin - due)
        told = Call(self, due, client, priority).told
        idle = self._idle[priority]
        while idle:
            connection = idle.pop()
            if connection.alive:
                self._send(connection, priority, told)
                return
        task = asyncio.create_task(self._open(priority, told))
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    async def _open(self, priority: int, told: "Told") -> None:
        loop = asyncio.get_running_loop()
        self.opened += 1
        name = {"server_hostname": "localhost"} if self._context else {}
        make = partial(Connection, self._idle[priority].append)
        try:
            async with asyncio.timeout(self._scenario.patience):
                _, connection = await loop.create_connection(
                    make, "127.0.0.1", self._given.port, ssl=self._context, **name
                )
        except TimeoutError:
            told(GAVE_UP, None)
        except OSError:
            told(RESET, None)
        else:
            self._send(connection, priority, told)

    def _send(self, connection: Connection, priority: int, told: "Told") -> None:
        timer = asyncio.get_running_loop().call_later(self._scenario.patience, connection.give_up)

        def over(outcome: int, after: int | None) -> None:
            timer.cancel()
            told(outcome, after)

        connection.call(self._requests[priority], over)

    def ended(self, due: float, client: int, priority: int, outcome: int, after: int | None) -> None:
        """Note how a call went."""
        now = monotonic()
        self.calls.append((due, priority, outcome, now - self._begin - due, -1 if after is None else after))
        if after is not None:
            self._quiet[client] = max(self._quiet[client], now + after)


Told = Callable[[int, int | None], None]


@dataclass(frozen=True)
class Call:
    """A call that is on its way."""

    clients: Clients
    due: float
    client: int
    priority: int

    def told(self, outcome: int, after: int | None) -> None:
        """It is over."""
        self.clients.ended(self.due, self.client, self.priority, outcome, after)


def main() -> None:
    """Entry point."""
    import uvloop

    async def run() -> Clients:
        clients = Clients(Specification(**json.loads(Path(sys.argv[1]).read_text())))
        await clients.run()
        return clients

    print(json.dumps(uvloop.run(run()).result()))


if __name__ == "__main__":
    main()
