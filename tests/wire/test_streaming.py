"""Bodies stream both ways at the pace of whoever is slower, in a memory that stays flat."""

import asyncio
import resource
from asyncio import StreamWriter

import pytest
from rig import GET, serving

from broker.testing.raw.reader import RawReader, read_head

MIB = 1 << 20
SIZE = 64 * MIB
PIECE = bytes(range(256)) * 1024
FLAT = 24 * MIB
"""What sockets, TLS and both doubles may hold meanwhile; far below a body."""
PATIENCE = 30.0


def peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


async def forget(reader: RawReader, total: int) -> int:
    """Read so many bytes (or to the end) and keep none."""
    seen = 0
    while seen < total and (data := await reader.some()):
        seen += len(data)
        reader.received.clear()
        reader.position = 0
    return seen


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_large_answer_passes_in_a_flat_memory(chunked: bool) -> None:
    async def script(reader: RawReader, writer: StreamWriter) -> None:
        await read_head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\n")
        writer.write(b"Transfer-Encoding: chunked\r\n\r\n" if chunked else b"Content-Length: %d\r\n\r\n" % SIZE)
        for _ in range(SIZE // len(PIECE)):
            writer.write(b"%x\r\n%b\r\n" % (len(PIECE), PIECE) if chunked else PIECE)
            await writer.drain()
        writer.write(b"0\r\n\r\n" if chunked else b"")
        await reader.some()

    async with asyncio.timeout(PATIENCE), serving(script) as rig, rig.caller() as caller:
        await caller.send(GET)
        await read_head(caller.reader)
        before = peak()
        assert await forget(caller.reader, SIZE) >= SIZE
        assert peak() - before < FLAT


async def test_a_large_request_passes_in_a_flat_memory() -> None:
    async def script(reader: RawReader, writer: StreamWriter) -> None:
        await read_head(reader)
        rest = len(reader.rest())
        seen = rest + await forget(reader, SIZE - rest)
        writer.write(b"HTTP/1.1 200 OK\r\nX-Seen: %d\r\nContent-Length: 0\r\n\r\n" % seen)
        await reader.some()

    async with asyncio.timeout(PATIENCE), serving(script) as rig, rig.caller() as caller:
        await caller.send(b"PUT /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % SIZE)
        before = peak()
        for _ in range(SIZE // len(PIECE)):
            await caller.send(PIECE)
        assert (await caller.recv_response()).headers("x-seen") == [b"%d" % SIZE]
        assert peak() - before < FLAT


async def settled(count: list[int]) -> int:
    """The count once it has stopped growing."""
    before = -1
    while count[0] != before:
        before = count[0]
        await asyncio.sleep(0.2)
    return before


async def test_a_caller_that_does_not_read_stops_a_fast_upstream() -> None:
    written = [0]

    async def script(reader: RawReader, writer: StreamWriter) -> None:
        await read_head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % SIZE)
        for _ in range(SIZE // len(PIECE)):
            writer.write(PIECE)
            await writer.drain()
            written[0] += len(PIECE)

    async with asyncio.timeout(PATIENCE), serving(script) as rig, rig.caller() as caller:
        await caller.send(GET)
        await read_head(caller.reader)
        assert await settled(written) < SIZE // 2
        rest = len(caller.reader.rest())
        assert rest + await forget(caller.reader, SIZE - rest) == SIZE


async def test_an_upstream_that_does_not_read_stops_a_fast_caller() -> None:
    sent, go = [0], asyncio.Event()

    async def script(reader: RawReader, writer: StreamWriter) -> None:
        await read_head(reader)
        await go.wait()
        rest = len(reader.rest())
        await forget(reader, SIZE - rest)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        await reader.some()

    async def push() -> None:
        for _ in range(SIZE // len(PIECE)):
            await caller.send(PIECE)
            sent[0] += len(PIECE)

    async with asyncio.timeout(PATIENCE), serving(script) as rig, rig.caller() as caller:
        await caller.send(b"PUT /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % SIZE)
        pushing = asyncio.create_task(push())
        assert await settled(sent) < SIZE // 2
        go.set()
        await pushing
        assert (await caller.recv_response()).status == 200


@pytest.mark.parametrize("close", [b"", b"Connection: close\r\n"])
async def test_an_answer_that_comes_before_the_request_is_complete_reaches_the_caller(close: bytes) -> None:
    async def script(reader: RawReader, writer: StreamWriter) -> None:
        await read_head(reader)
        writer.write(b"HTTP/1.1 403 No\r\n" + close + b"Content-Length: 2\r\n\r\nno")
        await reader.exactly(SIZE)

    async with asyncio.timeout(PATIENCE), serving(script) as rig, rig.caller() as caller:
        await caller.send(b"PUT /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % SIZE + PIECE)
        answer = await caller.recv_response()
        assert (answer.status, answer.body) == (403, b"no")
        assert answer.headers("connection") == [b"close"]
        assert await caller.recv_until_close() == b""
        assert rig.pooled() == (0, 0)


LIMITED = {"max_body": "1KiB"}
CHUNK = b"100\r\n" + b"x" * 256 + b"\r\n"


@pytest.mark.parametrize(
    "rest",
    [
        b"Content-Length: 1025\r\n\r\n",
        b"Content-Length: 1025\r\nExpect: 100-continue\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n" + CHUNK * 5 + b"0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n" + CHUNK * 5,
    ],
)
async def test_a_body_above_the_limit_is_a_413(rest: bytes) -> None:
    async with asyncio.timeout(PATIENCE), serving(b"HTTP/1.1 200 OK\r\n\r\n", route=LIMITED) as rig:
        answer = await rig.call(b"POST /x HTTP/1.1\r\nHost: localhost\r\n" + rest)
    assert answer.status == 413
    assert not answer.interim
    assert answer.headers("broker-error") == [b"body_too_large"]
    assert not rig.upstream.requests


async def test_a_chunked_body_that_grows_above_the_limit_is_a_413_and_never_complete_upstream() -> None:
    async with asyncio.timeout(PATIENCE), serving(b"HTTP/1.1 200 OK\r\n\r\n", route=LIMITED) as rig:
        async with rig.caller() as caller:
            await caller.send(b"POST /x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNK)
            while not rig.upstream.connections:
                await asyncio.sleep(0.01)
            await caller.send(CHUNK * 5 + b"0\r\n\r\n")
            assert (await caller.recv_response()).status == 413
        assert not rig.upstream.requests


async def test_a_body_at_the_limit_passes() -> None:
    async with serving(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", route=LIMITED) as rig:
        head = b"POST /x HTTP/1.1\r\nHost: localhost\r\n"
        assert (await rig.call(head + b"Content-Length: 1024\r\n\r\n" + b"x" * 1024)).status == 200
        assert (await rig.call(head + b"Transfer-Encoding: chunked\r\n\r\n" + CHUNK * 4 + b"0\r\n\r\n")).status == 200
