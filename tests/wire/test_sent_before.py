"""What becomes of a call that was sent once: its answer is let go of, it is not sent twice unasked, and nobody is told
that it was not sent."""

import asyncio
from asyncio import StreamWriter
from typing import Any

import pytest
from rig import GET, serving
from several import code, says

from broker.core.errors import BrokerError
from broker.testing.raw.reader import RawReader, read_head, read_request
from broker.upstream.sent import SentBefore, never_connected

SOON = 20.0
OK = says(b"ok")
BUSY = says(b"busy", b"503 Service Unavailable")
PUT = b"PUT /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc"
RETRY: dict[str, Any] = {"retry": {"attempts": 2, "on": ["connect_failed", "reset", 503], "backoff": "10ms"}}
LOST = (502, b"upstream_protocol_error")


async def test_a_caller_that_leaves_before_a_retry_leaves_no_connection_behind() -> None:
    answered = asyncio.Event()

    async def script(reader: RawReader, writer: StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 503 Busy\r\nRetry-After: 10\r\nContent-Length: 5000000\r\n\r\n" + b"x" * 300_000)
        answered.set()
        await reader.some()

    async with asyncio.timeout(SOON), serving(script, upstream=RETRY) as rig:
        async with rig.caller() as caller:
            await caller.send(GET)
            await answered.wait()
            await asyncio.sleep(0.1)
        while rig.upstream.connections[0].open or rig.pooled() != (0, 0):
            await asyncio.sleep(0.01)


async def test_an_answer_that_drips_holds_no_retry_up() -> None:
    asked = 0

    async def script(reader: RawReader, writer: StreamWriter) -> None:
        nonlocal asked
        await read_request(reader)
        asked += 1
        if asked > 1:
            writer.write(OK)
            return
        writer.write(b"HTTP/1.1 503 Busy\r\nContent-Length: 5000\r\n\r\n")
        while not writer.is_closing():
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.05)

    async with asyncio.timeout(SOON), serving(script, upstream=RETRY, route={"deadline": "6s"}) as rig:
        assert code(await rig.call()) == (200, b"")
        assert rig.pooled()[1] == 0


async def then_gone(reader: RawReader, writer: StreamWriter) -> None:
    """Serve one call, and end without a word as the next one has come."""
    await read_request(reader)
    writer.write(OK)
    await writer.drain()
    await read_request(reader)


@pytest.mark.parametrize(("idempotent", "deliveries"), [(None, 3), (True, 3), (False, 2)])
async def test_what_is_not_idempotent_is_not_sent_twice_whatever_its_method(
    idempotent: bool | None, deliveries: int
) -> None:
    route = {} if idempotent is None else {"idempotent": idempotent}
    async with asyncio.timeout(SOON), serving(then_gone, route=route) as rig:
        assert code(await rig.call()) == (200, b"")
        assert code(await rig.call()) == ((200, b"") if deliveries > 2 else LOST)
        assert len(rig.upstream.requests) == deliveries


async def test_a_call_that_was_sent_is_not_said_to_be_unsent_when_nobody_listens_any_more() -> None:
    async def script(reader: RawReader, writer: StreamWriter) -> None:
        await read_request(reader)
        rig.upstream._server.close()

    async with asyncio.timeout(SOON), serving(script, upstream=RETRY) as rig:
        assert code(await rig.call(PUT)) == LOST
        assert len(rig.upstream.requests) == 1
        assert code(await rig.call(PUT)) == (502, b"upstream_connect_failed")


async def test_nor_when_the_kept_connection_ended_and_there_is_no_other() -> None:
    async def script(reader: RawReader, writer: StreamWriter) -> None:
        await read_request(reader)
        writer.write(OK)
        await read_head(reader)
        rig.upstream._server.close()

    async with asyncio.timeout(SOON), serving(script) as rig:
        assert code(await rig.call()) == (200, b"")
        assert code(await rig.call()) == LOST


async def test_nor_when_the_circuit_opened_meanwhile() -> None:
    async def hang_up(reader: RawReader, writer: StreamWriter) -> None:
        await read_request(reader)

    upstream = {**RETRY, "circuit_breaker": {"failures": 1}}
    async with asyncio.timeout(SOON), serving(hang_up, upstream=upstream) as rig:
        assert code(await rig.call()) == LOST
        assert code(await rig.call()) == (503, b"circuit_open")
        assert len(rig.upstream.requests) == 1


async def test_the_answer_stands_that_could_not_be_asked_for_again() -> None:
    upstream = {**RETRY, "circuit_breaker": {"failures": 1}}
    async with asyncio.timeout(SOON), serving(BUSY, upstream=upstream) as rig:
        answer = await rig.call()
        assert (code(answer), answer.body) == ((503, b""), b"busy")
        assert code(await rig.call()) == (503, b"circuit_open")
    long = says(b"x" * 70_000, b"503 Service Unavailable")
    async with asyncio.timeout(SOON), serving(long, upstream=upstream) as rig:
        answer = await rig.call()
        assert code(answer) == LOST
        assert b"status 503" in answer.body


def test_a_call_whose_last_attempt_found_nobody_may_be_met_with_another() -> None:
    assert never_connected(SentBefore(BrokerError("upstream_connect_failed")))
    assert not never_connected(SentBefore(BrokerError("circuit_open")))
