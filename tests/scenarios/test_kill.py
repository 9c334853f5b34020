"""The broker is ended under load, gently or not, while callers reuse their connections as .NET does."""

import asyncio
import datetime as dt
import json
import os
import random
import signal
import ssl
import sys
from asyncio import IncompleteReadError, StreamReader, StreamWriter
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import yaml

from broker.testing import contexts
from broker.testing.pki import Authority
from broker.testing.raw.reader import RawReader, read_body, read_head
from broker.testing.raw.upstream import RawUpstream

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
BODY = b"x" * 20_000
CALLERS = 16
PATIENCE = 25.0

Connection = tuple[StreamReader, StreamWriter]


class Orders:
    """An upstream that knows which orders reached it, and how often; it takes some milliseconds over each."""

    def __init__(self, *, ends: float = 0.0) -> None:
        """`ends`: the share of answers after which it closes the connection without having said so."""
        self.begun: Counter[bytes] = Counter()
        self.whole: Counter[bytes] = Counter()
        self._ends = ends
        self._chance = random.Random(3)

    async def __call__(self, reader: RawReader, writer: StreamWriter) -> None:
        while head := await read_head(reader):
            order = head.split(b" ", 2)[1]
            self.begun[order] += 1
            await read_body(reader, head)
            self.whole[order] += 1
            await asyncio.sleep(self._chance.random() * 0.01)
            if writer.is_closing():
                return
            writer.write(OK)
            await writer.drain()
            if self._chance.random() < self._ends:
                await asyncio.sleep(self._chance.random() * 0.003)
                return


class Client:
    """Keeps connections as .NET's HttpClient does.

    A connection that is known to have ended is not used. A call is repeated, on a new connection, only where no byte of
    it was sent: when none could be made, that is.
    """

    def __init__(self, port: int, ca_pem: str) -> None:
        self._port = port
        self._context = contexts.client_context(ca_pem)
        self._idle: list[Connection] = []
        self.connects = True
        """Whether new connections are made; a load balancer ends that when the broker is no longer ready."""
        self.stopped = asyncio.Event()
        self.answered: list[bytes] = []
        self.failed: list[tuple[bytes, str]] = []
        self.reused = 0

    async def order(self, name: bytes) -> None:
        """Make one call."""
        connection = await self._connection()
        if connection is None:
            return
        reader, writer = connection
        head = b"POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % (name, len(BODY))
        try:
            writer.write(head + BODY)
            answer = await reader.readuntil(b"\r\n\r\n")
            length = int(answer.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
            await reader.readexactly(length)
        except (OSError, IncompleteReadError) as error:
            self.failed.append((name, repr(error)))
            writer.transport.abort()
            return
        if answer.startswith(b"HTTP/1.1 200 "):
            self.answered.append(name)
        else:
            self.failed.append((name, answer.decode("latin-1")))
        if b"\r\nconnection: close" in answer.lower():
            writer.close()
        else:
            self._idle.append(connection)

    async def _connection(self) -> Connection | None:
        while self._idle:
            reader, writer = self._idle.pop()
            if not reader.at_eof() and not writer.is_closing():
                self.reused += 1
                return reader, writer
            writer.close()
        while self.connects and not self.stopped.is_set():
            try:
                return await asyncio.open_connection(
                    "127.0.0.1", self._port, ssl=self._context, server_hostname="localhost"
                )
            except (OSError, ssl.SSLError):
                await asyncio.sleep(0.02)
        return None

    async def load(self, number: int) -> None:
        """One order after the other, until told to stop."""
        count = 0
        while not self.stopped.is_set() and (self.connects or self._idle):
            await self.order(b"/order-%d-%d" % (number, count))
            count += 1

    async def more(self, calls: int = 100) -> None:
        """Wait for so many answers more."""
        enough = len(self.answered) + calls
        while len(self.answered) < enough:
            await asyncio.sleep(0.01)

    def close(self) -> None:
        """Hang up."""
        for _, writer in self._idle:
            writer.close()


class Process:
    """`broker run`, on a port that stays the same."""

    def __init__(self, base: Path, port: int, **routes: Any) -> None:
        self._base = base
        later = dt.datetime.now(dt.UTC) + dt.timedelta(days=365)
        self.authority = Authority.create(not_after=later)
        chain, key = self.authority.issue(not_after=later).write(base, "server")
        tls = {"certificates": [{"chain": chain.name, "key": key.name}]}
        document = {
            "version": 1,
            "admin": {"bind": "127.0.0.1:0"},
            "log": {"access": False},
            "listeners": {"in": {"bind": f"127.0.0.1:{port}", "tls": tls}},
            "routes": [{"name": "all", "match": {"path": "/"}, "callers": "public", "upstream": "back"}],
            **routes,
        }
        (base / "routes.yaml").write_text(yaml.safe_dump(document))

    @asynccontextmanager
    async def running(self, lines: list[dict[str, Any]]) -> AsyncIterator[asyncio.subprocess.Process]:
        """The process, once it is ready; its log goes to `lines`."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "broker", "run"),
            cwd=self._base,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            env=dict(os.environ),
        )
        reading = asyncio.create_task(read_log(process, lines))
        try:
            await logged(lines, "ready")
            yield process
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()
            await reading


async def read_log(process: asyncio.subprocess.Process, lines: list[dict[str, Any]]) -> None:
    assert process.stderr is not None
    async for line in process.stderr:
        lines.append(json.loads(line))


async def logged(lines: list[dict[str, Any]], event: str) -> None:
    """Wait for a line of the log."""
    while not any(line["event"] == event for line in lines):
        await asyncio.sleep(0.005)


def back(upstream: RawUpstream, **settings: Any) -> dict[str, Any]:
    return {"upstreams": {"back": {"targets": [f"http://127.0.0.1:{upstream.port}"], **settings}}}


async def test_no_call_fails_when_the_broker_is_told_to_stop_under_load(tmp_path: Path, unused_tcp_port: int) -> None:
    orders, lines = Orders(), list[dict[str, Any]]()
    async with asyncio.timeout(PATIENCE), RawUpstream(orders) as upstream:
        broker = Process(tmp_path, unused_tcp_port, drain_grace="1s", **back(upstream))
        client = Client(unused_tcp_port, broker.authority.ca_pem)
        async with broker.running(lines) as process:
            callers = [asyncio.create_task(client.load(number)) for number in range(CALLERS)]
            await client.more(300)
            process.send_signal(signal.SIGTERM)
            await logged(lines, "draining")
            # The balancer has not seen yet that readiness is withdrawn: connections are still made.
            await client.more(50)
            client.connects = False
            await asyncio.gather(*callers)
            client.close()
            assert await process.wait() == 0
    assert client.failed == []
    assert client.reused > 200
    assert set(client.answered) == set(orders.whole)
    assert set(orders.begun.values()) == {1}
    assert not [line for line in lines if line["level"] == "error" or line["event"] == "drain_timeout"]


RETRIES = {"retry": {"attempts": 3, "on": ["connect_failed", "reset", 429, 502, 503, 504], "backoff": "5ms"}}


async def test_no_order_is_placed_twice_when_the_broker_is_killed_under_load(
    tmp_path: Path, unused_tcp_port: int
) -> None:
    orders = Orders(ends=0.05)
    async with asyncio.timeout(PATIENCE), RawUpstream(orders) as upstream:
        broker = Process(tmp_path, unused_tcp_port, **back(upstream, **RETRIES))
        client = Client(unused_tcp_port, broker.authority.ca_pem)
        callers = [asyncio.create_task(client.load(number)) for number in range(CALLERS)]
        for _ in range(3):
            async with broker.running([]) as process:
                await client.more(200)
                process.send_signal(signal.SIGKILL)
                await process.wait()
        async with broker.running([]):
            await client.more(100)
            client.stopped.set()
            with suppress(OSError):
                await asyncio.gather(*callers)
            client.close()
    assert client.failed, "a broker that is killed under load breaks some calls off"
    assert set(orders.begun.values()) == {1}
    assert set(client.answered) <= set(orders.whole)
    assert len(client.answered) == len(set(client.answered))
