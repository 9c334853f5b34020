"""Requests that wait behind another when the broker stops have their turn, within its time."""

import asyncio
from asyncio import StreamWriter
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import pytest

from broker.testing.raw import RawResponse, RawUpstream
from broker.testing.raw.reader import RawReader, read_head, read_request

Broker: TypeAlias = Any
"""What the fixture `broker` starts."""
StartBroker = Callable[..., Awaitable[Broker]]
PATIENCE = 10.0
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
GET = b"GET /a HTTP/1.1\r\nHost: localhost\r\n\r\n"
POST = b"POST /a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\nhi"


def is_last(response: RawResponse) -> bool:
    return response.headers("connection") == [b"close"]


class Service:
    """An upstream that answers nothing until it is told to."""

    def __init__(self) -> None:
        self.free = asyncio.Event()
        self.asked = asyncio.Event()

    async def script(self, reader: RawReader, writer: StreamWriter) -> None:
        while await read_request(reader):
            self.asked.set()
            await self.free.wait()
            writer.write(OK)


@pytest.mark.parametrize("apart", [False, True], ids=["in one piece", "in a record each"])
async def test_all_that_have_come_are_answered_and_the_last_says_so(broker: StartBroker, apart: bool) -> None:
    service = Service()
    requests = [GET, GET, POST, GET, POST, GET]
    async with RawUpstream(service.script) as upstream:
        running = await broker(upstream.port)
        listener = running.app.listeners["main"]
        async with asyncio.timeout(PATIENCE), running.client() as caller:
            for piece in requests if apart else [b"".join(requests)]:
                await caller.send(piece)
            await service.asked.wait()
            listener.announce()
            listener.drain()
            service.free.set()
            answers = [await caller.recv_response() for _ in requests]
            assert [answer.status for answer in answers] == [200] * 6
            assert [is_last(answer) for answer in answers] == [False] * 5 + [True]
            assert await caller.reader.some() == b""
        await asyncio.wait_for(listener.drained(), PATIENCE)
    assert len(upstream.requests) == 6


async def test_what_comes_behind_the_last_is_not_served(broker: StartBroker) -> None:
    """The head of the answer has said that it is the last one; its body is not out yet."""
    more = asyncio.Event()

    async def script(reader: RawReader, writer: StreamWriter) -> None:
        await read_request(reader)
        writer.write(OK[:-1])
        await more.wait()
        writer.write(OK[-1:])

    async with RawUpstream(script) as upstream:
        running = await broker(upstream.port)
        running.app.listeners["main"].announce()
        async with asyncio.timeout(PATIENCE), running.client() as caller:
            await caller.send(GET)
            assert b"\r\nConnection: close\r\n" in await read_head(caller.reader)
            await caller.send(GET)
            await asyncio.sleep(0.05)
            more.set()
            assert await caller.reader.exactly(2) == b"ok"
            assert await caller.reader.some() == b""
    assert len(upstream.requests) == 1


async def test_those_that_would_outlast_the_stop_are_cut_off(broker: StartBroker) -> None:
    service = Service()
    async with RawUpstream(service.script) as upstream:
        running = await broker(upstream.port)
        async with asyncio.timeout(PATIENCE), running.client() as caller:
            await caller.send(GET * 6)
            await service.asked.wait()
            stopping = asyncio.create_task(running.app.stop(0.1))
            cut = await caller.recv_response()
            assert (cut.status, is_last(cut)) == (504, True)
            assert await caller.reader.some() == b""
        await stopping
        service.free.set()
