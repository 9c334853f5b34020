"""A service that breaks its answers off has failed; a caller that does not take them says nothing about the service."""

import asyncio
from asyncio import StreamWriter
from contextlib import suppress
from typing import Any

import pytest
from rig import GET, Rig, serving
from several import code, says, several

from broker.testing.raw.reader import RawReader, read_request

SOON = 20.0
OK = says(b"ok")
LONG = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"
BREAKER: dict[str, Any] = {"circuit_breaker": {"failures": 3, "open_for": "200ms"}}
IMPATIENT = {**BREAKER, "timeouts": {"idle": "100ms"}}
CLOSED, HALF_OPEN, OPEN = 0, 1, 2


class Service:
    """Breaks each answer off in one way, or gives all of it, as it is told."""

    def __init__(self, how: str) -> None:
        self.how = how
        self.go_on = asyncio.Event()
        self.begun = asyncio.Event()

    async def __call__(self, reader: RawReader, writer: StreamWriter) -> None:
        while await read_request(reader):
            if self.how == "answers":
                writer.write(OK)
                continue
            if self.how == "cut chunks":
                writer.write(CHUNKED)
                return
            if self.how == "garbage":
                writer.write(CHUNKED + b"no length\r\n")
                continue
            writer.write(LONG)
            await writer.drain()
            if self.how == "closes":
                return
            if self.how == "resets":
                await asyncio.sleep(0.02)
                writer.transport.abort()
                return
            self.begun.set()
            await self.go_on.wait()
            if writer.is_closing():
                return
            writer.write(b"andend")


def state(rig: Rig) -> int:
    [found] = rig.app._compiled.upstreams["back"].circuits().values()
    return int(found)


async def broken(rig: Rig) -> None:
    """A call whose answer does not come to its end."""
    async with rig.caller() as caller:
        await caller.send(GET)
        with suppress(OSError, asyncio.IncompleteReadError):
            reply = await caller.recv_response()
            assert reply.status == 502 or not reply.complete


@pytest.mark.parametrize("how", ["closes", "resets", "stops", "cut chunks", "garbage"])
async def test_answers_that_break_off_open_the_circuit(how: str) -> None:
    service = Service(how)
    async with asyncio.timeout(SOON), serving(service, upstream=IMPATIENT) as rig:
        for _ in range(3):
            assert state(rig) == CLOSED
            await broken(rig)
        assert code(await rig.call()) == (503, b"circuit_open")
        await asyncio.sleep(0.25)
        await broken(rig)
        assert state(rig) == OPEN
        service.how = "answers"
        await asyncio.sleep(0.25)
        assert code(await rig.call()) == (200, b"")
        assert state(rig) == CLOSED


async def test_a_whole_answer_between_them_starts_the_row_over() -> None:
    service = Service("closes")
    async with asyncio.timeout(SOON), serving(service, upstream=BREAKER) as rig:
        for _ in range(2):
            await broken(rig)
            await broken(rig)
            service.how = "answers"
            assert code(await rig.call()) == (200, b"")
            service.how = "closes"
        assert state(rig) == CLOSED


async def test_answers_that_break_off_eject_a_target() -> None:
    quick: dict[str, Any] = {"ejection": {"failures": 2, "time": "10s"}, "slow_start": 0}
    async with asyncio.timeout(SOON), several(OK, Service("closes"), **quick) as rig:
        for _ in range(4):
            await broken_or_not(rig.rig)
        assert rig.healthy() == [True, False]
        assert await rig.bodies(4) == {b"ok": 4}


async def broken_or_not(rig: Rig) -> None:
    with suppress(OSError, asyncio.IncompleteReadError):
        await rig.call()


@pytest.mark.parametrize("how", ["close", "abort"])
async def test_a_caller_that_leaves_within_the_answer_counts_neither_way(how: str) -> None:
    service = Service("waits")
    async with asyncio.timeout(SOON), serving(service, upstream=BREAKER) as rig:
        for _ in range(4):
            await leaves(rig, service, how)
        assert state(rig) == CLOSED


async def leaves(rig: Rig, service: Service, how: str) -> None:
    service.begun.clear()
    async with rig.caller() as caller:
        await caller.send(GET)
        await service.begun.wait()
        with suppress(OSError):
            await getattr(caller, how)()
    while rig.pooled()[1]:
        await asyncio.sleep(0.01)


async def test_a_probe_is_over_with_its_answer_and_gives_its_place_back_once() -> None:
    service = Service("closes")
    async with asyncio.timeout(SOON), serving(service, upstream=BREAKER) as rig:
        for _ in range(3):
            await broken(rig)
        assert state(rig) == OPEN
        await asyncio.sleep(0.25)
        service.how = "waits"
        async with rig.caller() as caller:
            await caller.send(GET)
            await service.begun.wait()
            assert state(rig) == HALF_OPEN
            assert code(await rig.call()) == (503, b"circuit_open")
            await caller.abort()
        while rig.pooled()[1]:
            await asyncio.sleep(0.01)
        assert state(rig) == HALF_OPEN
        # One place was given back, not two: again one call is let through, and no other.
        service.begun.clear()
        async with rig.caller() as caller:
            await caller.send(GET)
            await service.begun.wait()
            assert code(await rig.call()) == (503, b"circuit_open")
            service.go_on.set()
            assert (await caller.recv_response()).body == b"halfandend"
        assert state(rig) == CLOSED
