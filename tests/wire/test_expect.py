"""A caller that waits for `100 Continue` gets it as soon as it is admitted, and a refusal instead of it otherwise."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from broker.testing.raw import RawUpstream, read_request

Start = Callable[..., Awaitable[Any]]
POST = b"POST /a HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n"
KEY = {"fno": {"type": "api_key", "header": "X-Api-Key", "key": "env:WIRE_KEY"}}


@pytest.mark.parametrize(
    ("framing", "body"),
    [(b"Content-Length: 2", b"hi"), (b"Transfer-Encoding: chunked", b"2\r\nhi\r\n0\r\n\r\n")],
)
async def test_continue_goes_out_at_once_though_the_upstream_is_slow(
    broker: Start, framing: bytes, body: bytes
) -> None:
    go = asyncio.Event()

    async def slow(reader: Any, writer: Any) -> None:
        await go.wait()
        assert b"expect" not in (await read_request(reader)).lower()
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")

    async with asyncio.timeout(5), RawUpstream(slow) as upstream:
        running = await broker(upstream.port)
        async with running.client() as client:
            await client.send(POST + framing + b"\r\n\r\n")
            assert (await client.recv_response(interim=True)).raw == b"HTTP/1.1 100 Continue\r\n\r\n"
            await client.send(body)
            go.set()
            answer = await client.recv_response()
            assert (answer.status, answer.interim) == (204, [])


@pytest.mark.parametrize(
    ("start", "lines", "status"),
    [
        (POST, b"Content-Length: 2\r\n", 401),
        (POST.replace(b"/a", b"/b"), b"X-Api-Key: k\r\nContent-Length: 2\r\n", 404),
        (POST, b"X-Api-Key: k\r\nContent-Length: 11\r\n", 413),
        (POST.replace(b"POST", b"PUT"), b"X-Api-Key: k\r\nContent-Length: 2\r\n", 405),
    ],
)
async def test_a_refusal_comes_before_the_body(
    broker: Start, upstream: Any, start: bytes, lines: bytes, status: int
) -> None:
    route = {"callers": ["fno"], "max_body": "10B", "match": {"path": "/a", "methods": ["POST"]}}
    running = await broker(upstream.port, callers=KEY, route=route, env={"WIRE_KEY": "k"})
    answer = await running.ask(start + lines + b"\r\n")
    assert (answer.status, answer.interim) == (status, [])
    assert answer.headers("connection") == [b"close"]
    assert upstream.connections == []


async def test_a_caller_of_http_1_0_gets_no_continue(broker: Start, upstream: Any) -> None:
    running = await broker(upstream.port)
    answer = await running.ask(POST.replace(b"1.1", b"1.0") + b"Content-Length: 2\r\n\r\nhi")
    assert (answer.status, answer.interim) == (200, [])


async def test_a_body_that_comes_along_needs_no_continue(broker: Start, upstream: Any) -> None:
    running = await broker(upstream.port)
    answer = await running.ask(POST + b"Content-Length: 2\r\n\r\nhi")
    assert (answer.status, answer.interim) == (200, [])
    assert upstream.requests[0].endswith(b"\r\n\r\nhi")


async def test_a_pipelined_body_goes_on_when_its_request_has_its_turn(broker: Start, upstream: Any) -> None:
    running = await broker(upstream.port)
    async with running.client() as client:
        first = b"GET /a HTTP/1.1\r\nHost: localhost\r\n\r\n"
        await client.send(first + b"POST /b HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nhello")
        assert (await client.recv_response()).status == 200
        await client.send(b"world")
        assert (await client.recv_response("POST")).status == 200
    assert upstream.requests[-1].endswith(b"\r\n\r\nhelloworld")
