"""A body without a length is held back where the upstream wants one: in memory, then in a file that nobody sees."""

import asyncio
import socket
from asyncio import StreamWriter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from nameless import gone_from_disk, nameless_files
from rig import Rig, serving

from broker.testing.raw import framing
from broker.testing.raw.client import RawClient
from broker.testing.raw.reader import RawReader, read_head, read_request
from broker.upstream import spool

HEAD = b"POST /s HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
SOON = 10.0


def held(**more: Any) -> dict[str, Any]:
    return {"http": {"request_body": "content_length", "buffer": "1KiB", "spool": "4MiB", **more}}


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


@pytest.fixture(autouse=True)
def _nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(spool.tempfile, "tempdir", str(tmp_path))
    before = nameless_files()
    yield
    assert nameless_files() == before
    assert list(tmp_path.iterdir()) == []


async def upload(caller: RawClient, parts: list[bytes]) -> None:
    await caller.send(HEAD)
    for part in parts:
        await caller.send(chunk(part))
    await caller.send(b"0\r\nX-Trailer: dropped\r\n\r\n")


@pytest.mark.parametrize(
    "parts",
    [[], [b"hi"], [b"a" * 1024], [b"a" * 1024, b"b"], [bytes([n]) * 100_000 for n in range(20)]],
    ids=["empty", "small", "all that memory holds", "one byte more", "large"],
)
async def test_the_upstream_gets_the_bytes_with_their_length(parts: list[bytes]) -> None:
    body = b"".join(parts)
    async with asyncio.timeout(SOON), serving(OK, upstream=held()) as rig, rig.caller() as caller:
        for _ in range(2):
            await upload(caller, parts)
            assert (await caller.recv_response("POST")).body == b"ok"
        assert rig.pooled() == (1, 0)
    for request in rig.upstream.requests:
        head, _, sent = request.partition(b"\r\n\r\n")
        assert framing.headers(head, b"content-length") == [b"%d" % len(body)]
        assert framing.headers(head, b"transfer-encoding") == []
        assert b"x-trailer" not in request.lower()
        assert sent == body


async def test_a_body_with_a_length_is_not_held_back() -> None:
    arrived = asyncio.Event()

    async def script(reader: RawReader, writer: StreamWriter) -> None:
        await read_head(reader)
        await reader.until(b"first")
        arrived.set()
        await reader.exactly(6)
        writer.write(OK)

    async with asyncio.timeout(SOON), serving(script, upstream=held()) as rig, rig.caller() as caller:
        await caller.send(b"POST /s HTTP/1.1\r\nHost: localhost\r\nContent-Length: 11\r\n\r\nfirst")
        await arrived.wait()
        await caller.send(b"second")
        assert (await caller.recv_response("POST")).body == b"ok"


async def test_no_connection_is_taken_before_the_body_is_there() -> None:
    async with asyncio.timeout(SOON), serving(OK, upstream=held()) as rig, rig.caller() as caller:
        await caller.send(HEAD + chunk(b"x" * 5000))
        while not nameless_files():
            await asyncio.sleep(0.01)
        assert rig.upstream.connections == []
        await caller.send(b"0\r\n\r\n")
        assert (await caller.recv_response("POST")).body == b"ok"


async def test_a_body_that_is_too_large_is_a_413_and_never_sent() -> None:
    async with asyncio.timeout(SOON), serving(OK, upstream=held(spool="10KiB")) as rig, rig.caller() as caller:
        await caller.send(HEAD + chunk(b"x" * 5000) + chunk(b"x" * 5000))
        await caller.send(chunk(b"x" * 5000) + b"0\r\n\r\n")
        reply = await caller.recv_response("POST")
        assert reply.status == 413
        assert reply.headers("broker-error") == [b"body_too_large"]
        assert rig.upstream.connections == []


@pytest.mark.parametrize("size", [500, 5000, 300_000])
async def test_a_caller_that_leaves_in_the_middle_leaves_nothing_behind(size: int) -> None:
    before = nameless_files()
    async with asyncio.timeout(SOON), serving(OK, upstream=held()) as rig:
        for how in "close", "abort":
            async with rig.caller() as caller:
                await caller.send(HEAD + chunk(b"x" * size))
                while size > 1024 and nameless_files() == before:
                    await asyncio.sleep(0.01)
                await getattr(caller, how)()
            await gone_from_disk(before)
        assert await served(rig)
        assert len(rig.upstream.connections) == 1


async def served(rig: Rig) -> bool:
    async with rig.caller() as caller:
        await upload(caller, [b"x" * 5000])
        return (await caller.recv_response("POST")).body == b"ok"


@pytest.mark.parametrize("how", ["answers", "hangs up", "stalls"])
async def test_an_upstream_that_does_not_take_the_body_leaves_nothing_behind(how: str) -> None:
    async def script(reader: RawReader, writer: StreamWriter) -> None:
        await read_head(reader)
        if how == "answers":
            writer.write(OK)
            await reader.some()
        elif how == "hangs up":
            writer.transport.abort()
        else:
            # A fixed window: the kernel's own grows to more than it is worth to send here.
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
            writer.transport.pause_reading()  # type: ignore[attr-defined]
            await stop.wait()

    stop = asyncio.Event()
    before = nameless_files()
    settings = {**held(spool="64MiB"), "timeouts": {"write": "200ms"}}
    async with asyncio.timeout(3 * SOON), serving(script, upstream=settings) as rig, rig.caller() as caller:
        await upload(caller, [b"x" * 1_000_000] * 12)
        reply = await caller.recv_response("POST")
        assert reply.status == {"answers": 200, "hangs up": 502, "stalls": 504}[how]
        await gone_from_disk(before)
        stop.set()
        assert rig.pooled() == (0, 0)


async def test_small_pieces_are_written_together(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[int] = []

    async def counted(collector: Any, work: Any, *given: Any) -> None:
        written.extend(map(len, given))
        work(*given)

    monkeypatch.setattr(spool._Collector, "_in_thread", counted)
    async with asyncio.timeout(SOON), serving(OK, upstream=held()) as rig, rig.caller() as caller:
        await upload(caller, [b"x" * 4096] * 500)
        assert (await caller.recv_response("POST")).body == b"ok"
    assert sum(written) == 500 * 4096
    assert len(written) <= 12


async def test_a_post_that_meets_a_stale_connection_is_not_sent_twice() -> None:
    async def script(reader: RawReader, writer: StreamWriter) -> None:
        await read_request(reader)
        writer.write(OK)
        await read_head(reader)

    async with asyncio.timeout(SOON), serving(script, upstream=held()) as rig:
        assert await served(rig)
        async with rig.caller() as caller:
            await upload(caller, [b"x" * 5000])
            assert (await caller.recv_response("POST")).status == 502
        assert len(rig.upstream.connections) == 1


async def test_expect_is_answered_before_the_body_is_held_back() -> None:
    async with asyncio.timeout(SOON), serving(OK, upstream=held()) as rig, rig.caller() as caller:
        await caller.send(HEAD.replace(b"Host:", b"Expect: 100-continue\r\nHost:"))
        assert (await caller.recv_response(interim=True)).status == 100
        await caller.send(chunk(b"hi") + b"0\r\n\r\n")
        assert (await caller.recv_response("POST")).body == b"ok"
    assert b"Expect" not in rig.upstream.requests[0]
