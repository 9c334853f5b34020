"""A refused upload may go on for a moment: nobody reads it, and no reset destroys the answer to it."""

import asyncio
import socket
import ssl
from asyncio import StreamWriter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from time import monotonic
from typing import Any, TypeAlias

import pytest

from broker.listener import connection
from broker.testing import contexts
from broker.testing.raw import RawUpstream
from broker.testing.raw.reader import RawReader, read_head

Broker: TypeAlias = Any
"""What the fixture `broker` starts."""
StartBroker = Callable[..., Awaitable[Broker]]
PATIENCE = 20.0
UPLOADS = 40
SIZE = 8 << 20
PIECE = b"x" * 65536
SMALL = {"max_body": "1KiB"}
EARLY = b"HTTP/1.1 413 Large\r\nContent-Length: 3\r\n\r\nbig"
VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


def head(size: int = SIZE) -> bytes:
    return b"POST /a HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % size


async def answers_early(reader: RawReader, writer: StreamWriter) -> None:
    await read_head(reader)
    writer.write(EARLY)
    await asyncio.sleep(PATIENCE)


def connect(broker: Broker, version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> ssl.SSLSocket:
    context = contexts.client_context(broker.ca)
    context.maximum_version = version
    raw = socket.create_connection(("127.0.0.1", broker.port), timeout=PATIENCE)
    return context.wrap_socket(raw, server_hostname="localhost")


def rest_of(caller: ssl.SSLSocket) -> bytes:
    received = b""
    while data := caller.recv(65536):
        received += data
    return received


def upload(broker: Broker, version: ssl.TLSVersion) -> bytes:
    """The answer, for a caller that writes all of its request before it reads."""
    with connect(broker, version) as caller:
        caller.sendall(head())
        for _ in range(SIZE // len(PIECE)):
            caller.sendall(PIECE)
        return rest_of(caller)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("route", [SMALL, {}], ids=["refused here", "refused by the upstream"])
async def test_a_fast_upload_is_written_to_its_end(
    broker: StartBroker, route: dict[str, Any], version: ssl.TLSVersion
) -> None:
    async with RawUpstream(answers_early) as upstream:
        running = await broker(upstream.port, route=route)
        for _ in range(UPLOADS):
            answer = await asyncio.to_thread(upload, running, version)
            assert answer.startswith(b"HTTP/1.1 413 ")
            assert b"\r\nConnection: close\r\n" in answer
        await asyncio.wait_for(running.app.listeners["main"].drained(), PATIENCE)


async def test_who_never_stops_is_reset_when_the_time_is_over(
    broker: StartBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "LINGER", 0.3)
    running = await broker(route=SMALL)
    listener = running.app.listeners["main"]
    counted = set()

    def flood() -> float:
        with connect(running) as caller:
            caller.sendall(head(1 << 40))
            begin = monotonic()
            with suppress(OSError):
                while True:
                    caller.sendall(PIECE)
                    counted.add(listener.connections)
            return monotonic() - begin

    lasted = await asyncio.wait_for(asyncio.to_thread(flood), PATIENCE)
    assert lasted > 0.2
    # As long as it may send, it has a place among the connections.
    assert 1 in counted
    await asyncio.wait_for(listener.drained(), PATIENCE)


async def test_who_has_sent_all_is_not_reset(broker: StartBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its answer may still lie unread in its own kernel, where a reset would find it."""
    monkeypatch.setattr(connection, "LINGER", 0.2)
    running = await broker(route=SMALL)
    with await asyncio.to_thread(connect, running) as caller:
        await asyncio.to_thread(caller.sendall, head(200_000) + b"x" * 200_000)
        await asyncio.wait_for(running.app.listeners["main"].drained(), PATIENCE)
        assert caller.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
        assert rest_of(caller).startswith(b"HTTP/1.1 413 ")


async def test_a_stop_lets_it_go_on(broker: StartBroker) -> None:
    running = await broker(route=SMALL)
    listener = running.app.listeners["main"]
    async with asyncio.timeout(PATIENCE), running.client() as caller:
        await caller.send(head() + PIECE)
        assert (await caller.recv_response()).status == 413
        listener.drain()
        for _ in range(16):
            await caller.send(PIECE)
            await asyncio.sleep(0.01)
        assert listener.connections == 1
        # It is gone when the caller is, without waiting for the end of the time.
    await asyncio.wait_for(listener.drained(), connection.LINGER / 2)


async def test_a_long_answer_outlasts_the_moment(broker: StartBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    """The upstream has answered before the body was all there, and the caller takes its time to read."""
    monkeypatch.setattr(connection, "LINGER", 0.1)
    # All of the answer waits in the transport, and the call is over.
    monkeypatch.setattr("broker.tls.stream.WRITE_HIGH", 1 << 30)
    long = b"y" * (16 << 20)

    async def script(reader: RawReader, writer: StreamWriter) -> None:
        await read_head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(long), long))
        with suppress(OSError):
            await reader.some()

    async with RawUpstream(script) as upstream:
        running = await broker(upstream.port)
        with await asyncio.to_thread(connect, running) as caller:
            await asyncio.to_thread(caller.sendall, head())
            await asyncio.sleep(0.5)
            assert running.app.listeners["main"].calls() == []
            answer = await asyncio.to_thread(rest_of, caller)
    assert answer.endswith(b"\r\n\r\n" + long)
