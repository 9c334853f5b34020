"""What an upstream's `http` settings put up with, from its bytes to the caller's; and what they leave alone."""

import asyncio
import json
import socket
import struct
from asyncio import StreamWriter
from typing import Any

import pytest
from rig import GET, pki, send_fin, serving

from broker.testing import contexts
from broker.testing.raw.reader import RawReader, read_request

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
GET10 = GET.replace(b"1.1", b"1.0")
SOON = 5.0
ANSWERS = {
    "bare_lf": b"HTTP/1.1 200 OK\nX-A: b c\nContent-Length: 5\n\nhello",
    "obs_fold": OK + b"X-A: b\r\n\tc\r\nContent-Length: 5\r\n\r\nhello",
    "header_name_spaces": OK + b"X-A : b c\r\nContent-Length : 5\r\n\r\nhello",
    "invalid_header_chars": OK + b"X-A: b\x00c\r\nContent-Length: 5\r\n\r\nhello",
    "duplicate_content_length": OK + b"X-A: b c\r\nContent-Length: 5\r\nContent-Length: 5, 5\r\n\r\nhello",
    "content_length_and_chunked": OK
    + b"X-A: b c\r\nContent-Length: 15\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "content_length_mismatch": OK + b"X-A: b c\r\nContent-Length: 7\r\n\r\nhello",
    "bad_chunk_size_spaces": CHUNKED[:-2] + b"X-A: b c\r\n\r\n5 \r\nhello\r\n0 \r\n\r\n",
    "chunk_without_crlf": CHUNKED[:-2] + b"X-A: b c\r\n\r\n2\r\nhe3\r\nllo0\r\n\r\n",
    "unknown_version": b"HTTP/1.2 200 OK\r\nX-A: b c\r\nContent-Length: 5\r\n\r\nhello",
}


def lenient(*quirks: str, **more: Any) -> dict[str, Any]:
    return {"http": {"lenient": list(quirks), **more}}


def answering(answer: bytes) -> Any:
    """An upstream that answers once on each connection and then closes it."""

    async def script(reader: RawReader, writer: StreamWriter) -> None:
        await read_request(reader)
        writer.write(answer)

    return script


@pytest.mark.parametrize("request_bytes", [GET, GET10], ids=["1.1", "1.0"])
@pytest.mark.parametrize("quirk", ANSWERS)
async def test_the_caller_gets_a_sound_answer(quirk: str, request_bytes: bytes) -> None:
    async with asyncio.timeout(SOON), serving(answering(ANSWERS[quirk]), upstream=lenient(quirk)) as rig:
        for _ in range(2):
            reply = await rig.call(request_bytes)
            assert (reply.status, reply.body, reply.complete) == (200, b"hello", True)
            assert reply.headers("x-a") == [b"b c"]
            assert len(reply.headers("content-length")) + len(reply.headers("transfer-encoding")) <= 1


IN_THE_BODY = ("content_length_mismatch", "bad_chunk_size_spaces", "chunk_without_crlf")


@pytest.mark.parametrize("quirk", [name for name in ANSWERS if name not in IN_THE_BODY])
async def test_the_strict_refusal_says_what_would_help(quirk: str) -> None:
    async with asyncio.timeout(SOON), serving(answering(ANSWERS[quirk])) as rig:
        reply = await rig.call()
    assert (reply.status, reply.headers("broker-error")) == (502, [b"upstream_protocol_error"])
    assert f"; `http.lenient: [{quirk}]` of this upstream accepts this." in json.loads(reply.body)["detail"]


@pytest.mark.parametrize("quirk", IN_THE_BODY)
async def test_what_breaks_off_says_in_the_log_what_would_help(quirk: str, caplog: pytest.LogCaptureFixture) -> None:
    async with asyncio.timeout(SOON), serving(answering(ANSWERS[quirk])) as rig:
        reply = await rig.call()
    assert not reply.complete
    assert f"; `http.lenient: [{quirk}]` of this upstream accepts this." in caplog.text


@pytest.mark.parametrize("quirk", ANSWERS)
async def test_all_other_quirks_do_not_help(quirk: str) -> None:
    others = lenient(*(name for name in ANSWERS if name != quirk))
    async with asyncio.timeout(SOON), serving(answering(ANSWERS[quirk]), upstream=others) as rig:
        reply = await rig.call()
    assert reply.status == 502 or not reply.complete


async def test_a_reset_is_no_short_body() -> None:
    async def script(reader: RawReader, writer: StreamWriter) -> None:
        await read_request(reader)
        writer.write(ANSWERS["content_length_mismatch"])
        await seen.wait()
        raw: socket.socket = writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    seen = asyncio.Event()
    quirk = lenient("content_length_mismatch")
    async with asyncio.timeout(SOON), serving(script, upstream=quirk) as rig, rig.caller() as caller:
        await caller.send(GET)
        await caller.reader.until(b"hello")
        caller.reader.position = 0
        seen.set()
        reply = await caller.recv_response()
    assert not reply.complete
    assert reply.headers("content-length") == []
    assert reply.headers("transfer-encoding") == [b"chunked"]


@pytest.mark.parametrize("goodbye", [True, False])
async def test_over_modern_tls_only_close_notify_ends_a_short_body(goodbye: bool) -> None:
    async def script(reader: RawReader, writer: StreamWriter) -> None:
        await read_request(reader)
        writer.write(ANSWERS["content_length_mismatch"])
        if not goodbye:
            await writer.drain()
            send_fin(writer)
            await reader.some()

    tls = contexts.server_context(pki()[1])
    quirk = lenient("content_length_mismatch")
    async with asyncio.timeout(SOON), serving(script, upstream_tls=tls, upstream=quirk) as rig:
        assert (await rig.call()).complete is goodbye


async def test_more_than_was_said_is_dropped_and_poisons_nobody() -> None:
    async def script(reader: RawReader, writer: StreamWriter) -> None:
        while await read_request(reader):
            writer.write(OK + b"Content-Length: 5\r\n\r\nhello" + OK + b"Content-Length: 6\r\n\r\npoison")

    for settings in None, lenient("content_length_mismatch"):
        async with asyncio.timeout(SOON), serving(script, upstream=settings) as rig:
            for _ in range(3):
                assert (await rig.call()).body == b"hello"
            assert len(rig.upstream.connections) == 3


async def test_a_head_that_was_mended_leaves_the_connection_good() -> None:
    async with asyncio.timeout(SOON), serving(ANSWERS["obs_fold"], upstream=lenient("obs_fold")) as rig:
        for _ in range(3):
            assert (await rig.call()).headers("x-a") == [b"b c"]
        assert rig.pooled() == (1, 0)


async def test_both_lengths_end_the_connection() -> None:
    async def script(reader: RawReader, writer: StreamWriter) -> None:
        while await read_request(reader):
            writer.write(ANSWERS["content_length_and_chunked"])

    async with asyncio.timeout(SOON), serving(script, upstream=lenient("content_length_and_chunked")) as rig:
        for _ in range(2):
            assert (await rig.call()).body == b"hello"
        assert rig.pooled() == (0, 0)
        assert len(rig.upstream.connections) == 2


async def test_a_caller_gets_no_leniency() -> None:
    request = GET.replace(b"\r\n", b"\n")
    folded = GET.replace(b"\r\n\r\n", b"\r\nX-A: b\r\n c\r\n\r\n")
    async with asyncio.timeout(SOON), serving(OK + b"Content-Length: 0\r\n\r\n", upstream=lenient(*ANSWERS)) as rig:
        for wrong in request, folded:
            async with rig.caller() as caller:
                await caller.send(wrong)
                assert (await caller.recv_response()).status == 400
        assert rig.upstream.connections == []


async def test_a_head_answer_keeps_its_length() -> None:
    async with (
        asyncio.timeout(SOON),
        serving(answering(OK + b"Content-Length: 7\r\n\r\n"), upstream=lenient(*ANSWERS)) as rig,
    ):
        reply = await rig.call(GET.replace(b"GET", b"HEAD"))
    assert (reply.status, reply.headers("content-length")) == (200, [b"7"])
