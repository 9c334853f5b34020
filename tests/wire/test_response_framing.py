"""The body of an answer, however it is delimited, reaches the caller byte for byte."""

import asyncio
from asyncio import StreamWriter, sleep
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rig import GET, serving

from broker.testing.raw.reader import RawReader, read_request

GET10 = b"GET /thing HTTP/1.0\r\nHost: localhost\r\n\r\n"
LENGTH = b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nhello world"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6;x=y\r\nhello \r\n5\r\nworld\r\n0\r\n\r\n"
CLOSED = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello world"
OLD = b"HTTP/1.0 200 OK\r\nX-A: 1\r\n\r\nhello world"
TRAILERS = CHUNKED[:-2] + b"X-Sum: 12\r\nX-More: 3\r\n\r\n"


@pytest.mark.parametrize(
    ("answer", "framing"),
    [
        (LENGTH, b"content-length"),
        (CHUNKED, b"transfer-encoding"),
        (CLOSED, b"transfer-encoding"),
        (OLD, b"transfer-encoding"),
        (TRAILERS, b"transfer-encoding"),
    ],
)
async def test_a_caller_of_1_1_can_go_on_after_any_answer(answer: bytes, framing: bytes) -> None:
    async with serving(answer) as rig, rig.caller() as caller:
        for _ in range(2):
            await caller.send(GET)
            reply = await caller.recv_response()
            assert (reply.status, reply.body, reply.complete) == (200, b"hello world", True)
            assert reply.status_line.startswith(b"HTTP/1.1 ")
            assert len(reply.headers(framing.decode())) == 1
            assert bool(reply.headers("content-length")) != bool(reply.headers("transfer-encoding"))


@pytest.mark.parametrize("answer", [CHUNKED, CLOSED, OLD, TRAILERS])
async def test_a_caller_of_1_0_reads_an_unknown_length_to_the_close(answer: bytes) -> None:
    async with serving(answer) as rig, rig.caller() as caller:
        await caller.send(GET10)
        reply = await caller.recv_response()
    assert (reply.body, reply.complete) == (b"hello world", True)
    assert not reply.headers("transfer-encoding")
    assert not reply.headers("content-length")
    assert reply.headers("connection") == [b"close"]


async def test_a_caller_of_1_0_may_keep_its_connection() -> None:
    async with serving(LENGTH) as rig, rig.caller() as caller:
        for _ in range(2):
            await caller.send(GET10.replace(b"Host:", b"Connection: keep-alive\r\nHost:"))
            reply = await caller.recv_response()
            assert reply.headers("connection") == [b"keep-alive"]
        await caller.send(GET10)
        reply = await caller.recv_response()
        assert reply.headers("connection") == [b"close"]
        assert await caller.recv_until_close() == b""


@pytest.mark.parametrize("coding", [b"gzip", b"deflate", b"br"])
async def test_an_encoded_body_is_not_touched_even_when_it_is_invalid(coding: bytes) -> None:
    body = b"\x1f\x8b\x08\x00not gzip at all\x00\xff"
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: %b\r\nContent-Length: %d\r\n\r\n" % (coding, len(body))
    async with serving(head + body) as rig:
        reply = await rig.call()
    assert reply.body == body
    assert reply.headers("content-encoding") == [coding]


@pytest.mark.parametrize("interim", [b"100 Continue", b"102 Processing", b"103 Early Hints"])
@pytest.mark.parametrize("times", [1, 3])
async def test_an_interim_answer_is_never_taken_for_the_answer(interim: bytes, times: int) -> None:
    before = (b"HTTP/1.1 " + interim + b"\r\nLink: </a>\r\n\r\n") * times
    async with serving(before + LENGTH) as rig, rig.caller() as caller:
        for _ in range(2):
            await caller.send(GET)
            reply = await caller.recv_response()
            assert (reply.status, reply.body) == (200, b"hello world")
            assert not reply.headers("link")


@pytest.mark.parametrize("status", [204, 304])
async def test_a_status_without_a_body_ends_at_its_head(status: int) -> None:
    async with serving([b"HTTP/1.1 %d X\r\n\r\n" % status, LENGTH]) as rig, rig.caller() as caller:
        await caller.send(GET)
        assert (await caller.recv_response()).status == status
        await caller.send(GET)
        assert (await caller.recv_response()).body == b"hello world"


class Cut:
    """An upstream that sends its answer in the given pieces."""

    def __init__(self) -> None:
        self.answer = LENGTH
        self.cuts: list[int] = []

    async def __call__(self, reader: RawReader, writer: StreamWriter) -> None:
        while await read_request(reader):
            edges = [0, *sorted(self.cuts), len(self.answer)]
            for start, end in pairwise(edges):
                writer.write(self.answer[start:end])
                await writer.drain()
                await sleep(0)
                await sleep(0)
            if self.answer in (CLOSED, OLD):
                return


async def test_however_an_answer_is_split_the_caller_gets_the_same_bytes() -> None:
    upstream = Cut()
    async with serving(upstream) as rig:
        for upstream.answer in (LENGTH, CHUNKED, CLOSED, OLD, TRAILERS, b"HTTP/1.1 100 C\r\n\r\n" + LENGTH):
            for cut in range(1, len(upstream.answer), 5):
                upstream.cuts = [cut]
                reply = await rig.call()
                assert (reply.status, reply.body, reply.complete) == (200, b"hello world", True)
            upstream.cuts = list(range(1, len(upstream.answer)))
            assert (await rig.call()).body == b"hello world"


@settings(max_examples=25, deadline=None)
@given(st.sampled_from([LENGTH, CHUNKED, CLOSED, TRAILERS]), st.lists(st.integers(1, 60), max_size=6))
def test_any_split_of_an_answer_gives_the_same_answer(answer: bytes, cuts: list[int]) -> None:
    async def check() -> None:
        upstream = Cut()
        upstream.answer, upstream.cuts = answer, [cut for cut in cuts if cut < len(answer)]
        async with serving(upstream) as rig:
            reply = await rig.call()
        assert (reply.status, reply.body, reply.complete) == (200, b"hello world", True)

    asyncio.run(check())
