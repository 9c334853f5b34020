"""Whatever two servers could read in two ways is refused with 400, the connection closes, and nothing gets through."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

Start = Callable[..., Awaitable[Any]]

HOST = b"Host: localhost\r\n"
SECOND = b"GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"


def post(lines: bytes, body: bytes = b"", version: bytes = b"HTTP/1.1") -> bytes:
    return b"POST /a " + version + b"\r\n" + HOST + lines + b"\r\n" + body


def get(lines: bytes = b"", target: bytes = b"/a") -> bytes:
    return b"GET " + target + b" HTTP/1.1\r\n" + HOST + lines + b"\r\n"


CHUNKS = b"3\r\nabc\r\n0\r\n\r\n"

LENGTHS = {
    "both lengths": post(b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", CHUNKS),
    "both lengths, the other way round": post(b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n", CHUNKS),
    "two different lengths": post(b"Content-Length: 3\r\nContent-Length: 4\r\n", b"abcd"),
    "two equal lengths": post(b"Content-Length: 3\r\nContent-Length: 3\r\n", b"abc"),
    "a list of lengths": post(b"Content-Length: 3, 3\r\n", b"abc"),
    **{
        f"Content-Length {value!r}": post(b"Content-Length: " + value + b"\r\n", b"abc")
        for value in [b"+3", b"-3", b"0x3", b"3.0", b"3 3", b"three", b"", b"3;", b"1_0", b"\xb3", b"9" * 20, b"\x0b3"]
    },
}
CODINGS = {
    f"Transfer-Encoding {value!r}": post(b"Transfer-Encoding: " + value + b"\r\n", CHUNKS)
    for value in [
        b"xchunked",
        b"chunked, chunked",
        b"gzip, chunked",
        b"chunked, identity",
        b"identity",
        b"gzip",
        b'"chunked"',
        b"chunked;q=1",
        b"\x0bchunked",
        b"chunked\x00",
        b"chun\xfeked",
        b",chunked",
        b"",
    ]
}
CODINGS |= {
    "two codings": post(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", CHUNKS),
    "a coding and identity": post(b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n", CHUNKS),
    "a coding in HTTP/1.0": post(b"Transfer-Encoding: chunked\r\n", CHUNKS, b"HTTP/1.0"),
}
LINES = {
    "a blank before the colon": post(b"Content-Length : 3\r\n", b"abc"),
    "a tab before the colon": post(b"Transfer-Encoding\t: chunked\r\n", CHUNKS),
    "a folded line": get(b"X-A: b\r\n c\r\n"),
    "a folded line with a tab": get(b"X-A: b\r\n\tc\r\n"),
    "a fold that hides a coding": post(b"X: y\r\n Transfer-Encoding: chunked\r\n", CHUNKS),
    "a blank before the first name": b"GET /a HTTP/1.1\r\n Host: localhost\r\n\r\n",
    "no colon": get(b"Nonsense\r\n"),
    "no name": get(b": value\r\n"),
    "a bare LF between lines": get(b"X-A: b\nX-C: d\r\n"),
    "a bare LF behind the request line": b"GET /a HTTP/1.1\nHost: localhost\r\n\r\n",
    "bare LFs throughout": b"GET /a HTTP/1.1\nHost: localhost\n\n",
    "a bare LF ends the head": b"GET /a HTTP/1.1\r\nHost: localhost\r\n\n",
    "a bare CR in a value": get(b"X-A: b\rX-C: d\r\n"),
    "a bare CR in a name": get(b"X\r-A: b\r\n"),
    "two CRs": get(b"X-A: b\r\r\n"),
    "a NUL in a value": get(b"X-A: b\x00c\r\n"),
    "a NUL in a name": get(b"X\x00A: b\r\n"),
    "a control byte in a value": get(b"X-A: b\x01c\r\n"),
    "a DEL in a value": get(b"X-A: b\x7fc\r\n"),
    "a high byte in a name": get(b"X-\xe9: b\r\n"),
    "a bracket in a name": get(b"X(A): b\r\n"),
}
STARTS = {
    "a NUL in the target": get(target=b"/a\x00b"),
    "a control byte in the target": get(target=b"/a\x01b"),
    "a DEL in the target": get(target=b"/a\x7fb"),
    "a tab in the target": get(target=b"/a\tb"),
    "a blank in the target": get(target=b"/a b"),
    "a fragment": get(target=b"/a#b"),
    "a target without a slash": get(target=b"a/b"),
    "a foreign scheme": get(target=b"ftp://localhost/a"),
    "HTTP/0.9": b"GET /a\r\n\r\n",
    "a lower-case version": b"GET /a http/1.1\r\n" + HOST + b"\r\n",
    "no version number": b"GET /a HTTP/\r\n" + HOST + b"\r\n",
    "a foreign protocol": b"GET /a FTP/1.1\r\n" + HOST + b"\r\n",
    "an unknown method": b"G(T /a HTTP/1.1\r\n" + HOST + b"\r\n",
    "bytes that are no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
    "no Host": b"GET /a HTTP/1.1\r\n\r\n",
    "two Hosts": get(b"Host: localhost\r\n"),
    "two different Hosts": get(b"Host: evil.test\r\n"),
    "an empty Host": b"GET /a HTTP/1.1\r\nHost:\r\n\r\n",
    "a Host with a path": b"GET /a HTTP/1.1\r\nHost: localhost/x\r\n\r\n",
    "a Host with a user": b"GET /a HTTP/1.1\r\nHost: a@localhost\r\n\r\n",
    "a Host with a blank": b"GET /a HTTP/1.1\r\nHost: local host\r\n\r\n",
    "a Host that is a list": b"GET /a HTTP/1.1\r\nHost: localhost, evil.test\r\n\r\n",
}
CLIMBS = {
    f"the target {target!r}": get(target=target)
    for target in [
        b"/..",
        b"/../a",
        b"/a/..",
        b"/a/../b",
        b"/a/..?x",
        b"/a/%2e%2e/b",
        b"/a/%2E./b",
        b"/a/.%2e",
        b"/a/..%2fb",
        b"/a%2f..%2Fb",
        b"/a\\..\\b",
        b"/a%5c..%5Cb",
        b"/a/..;x=y/b",
        b"//..",
        b"http://localhost/../a",
    ]
}
ALL = LENGTHS | CODINGS | LINES | STARTS | CLIMBS

BROKEN_CHUNKS = {
    "no number": b"x\r\nabc\r\n0\r\n\r\n",
    "a prefix 0x": b"0x3\r\nabc\r\n0\r\n\r\n",
    "a sign": b"+3\r\nabc\r\n0\r\n\r\n",
    "a minus": b"-3\r\nabc\r\n0\r\n\r\n",
    "a blank in front": b" 3\r\nabc\r\n0\r\n\r\n",
    "a blank behind": b"3 \r\nabc\r\n0\r\n\r\n",
    "an empty size": b"\r\nabc\r\n0\r\n\r\n",
    "a size beyond 64 bits": b"11111111111111113\r\nabc\r\n0\r\n\r\n",
    "a size too small": b"2\r\nabc\r\n0\r\n\r\n",
    "a bare LF behind the size": b"3\nabc\r\n0\r\n\r\n",
    "a bare CR behind the size": b"3\rabc\r\n0\r\n\r\n",
    "a bare LF behind the data": b"3\r\nabc\n0\r\n\r\n",
    "a bare LF in an extension": b"3;a\nabc\r\n0\r\n\r\n",
    "a bare CR in an extension": b"3;a\rb\r\nabc\r\n0\r\n\r\n",
    "a NUL in an extension": b"3;a=\x00\r\nabc\r\n0\r\n\r\n",
    "a bare LF at the end": b"3\r\nabc\r\n0\n\n",
    "a control byte in a trailer": b"3\r\nabc\r\n0\r\nX: \x00\r\n\r\n",
    "a blank before a trailer's colon": b"3\r\nabc\r\n0\r\nX : y\r\n\r\n",
}


def refused(answer: bytes) -> bool:
    """One answer, a 400 that says that it is the last; whatever stood behind got none."""
    head = answer.partition(b"\r\n\r\n")[0]
    return (
        answer.startswith(b"HTTP/1.1 400 ")
        and answer.count(b"HTTP/1.1 ") == 1
        and b"\r\nConnection: close" in head
        and b"\r\nBroker-Error: bad_request" in head
    )


@pytest.mark.parametrize("request_", ALL.values(), ids=ALL.keys())
async def test_an_ambiguous_request_is_refused_and_the_connection_closed(
    broker: Start, upstream: Any, request_: bytes
) -> None:
    running = await broker(upstream.port)
    assert refused(await running.ask_until_close(request_ + SECOND))
    assert upstream.connections == []


@pytest.mark.parametrize("chunks", BROKEN_CHUNKS.values(), ids=BROKEN_CHUNKS.keys())
async def test_a_broken_chunk_never_becomes_a_whole_request(broker: Start, upstream: Any, chunks: bytes) -> None:
    running = await broker(upstream.port)
    answer = await running.ask_until_close(post(b"Transfer-Encoding: chunked\r\n", chunks) + SECOND)
    assert refused(answer)
    assert upstream.requests == []
    assert not any(b"smuggled" in connection.received for connection in upstream.connections)


@pytest.mark.parametrize("chunks", BROKEN_CHUNKS.values(), ids=BROKEN_CHUNKS.keys())
async def test_a_chunk_that_breaks_under_way_cuts_the_upstream_off(broker: Start, upstream: Any, chunks: bytes) -> None:
    running = await broker(upstream.port)
    async with running.client() as client:
        await client.send(post(b"Transfer-Encoding: chunked\r\n", b"5\r\nfirst\r\n"))
        while not upstream.connections or b"first" not in upstream.connections[0].received:
            await asyncio.sleep(0)
        await client.send(chunks + SECOND)
        assert refused(await client.recv_until_close())
    assert upstream.requests == []
    assert len(upstream.connections) == 1


async def test_chunk_extensions_and_trailers_are_dropped(relay: Callable[..., Awaitable[bytes]]) -> None:
    body = b'3;a=b;c="d"\r\nabc\r\n0\r\nX-Trailer: 1\r\nContent-MD5: x\r\n\r\n'
    request = await relay(post(b"Transfer-Encoding: chunked\r\nTrailer: X-Trailer\r\n", body))
    assert request.endswith(b"\r\n\r\n" + CHUNKS)
    assert b"Trailer" not in request


@pytest.mark.parametrize("version", [b"HTTP/2.0", b"HTTP/1.2", b"HTTP/3.7", b"HTTP/0.9"])
async def test_other_versions_are_told_which_are_spoken(broker: Start, upstream: Any, version: bytes) -> None:
    running = await broker(upstream.port)
    answer = await running.ask_until_close(b"GET /a " + version + b"\r\n" + HOST + b"\r\n" + SECOND)
    assert answer.startswith(b"HTTP/1.1 505 ")
    assert answer.count(b"Broker-Error: ") == 1
    assert upstream.connections == []


async def test_the_preface_of_http_2_gets_a_505(broker: Start, upstream: Any) -> None:
    running = await broker(upstream.port)
    answer = await running.ask_until_close(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 505 ")
    assert upstream.connections == []


async def test_garbage_behind_a_request_does_not_hurt_its_answer(broker: Start, upstream: Any) -> None:
    running = await broker(upstream.port)
    answer = await running.ask_until_close(SECOND + b"\x00\x01\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"\r\n\r\nokHTTP/1.1 400 " in answer
    assert len(upstream.requests) == 1
