"""Header lines and bodies reach the upstream as they came; what belongs to hop 1 alone stays there."""

from base64 import b64encode
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from broker.testing.raw import RawUpstream, read_request

Relay = Callable[..., Awaitable[bytes]]
Start = Callable[..., Awaitable[Any]]

QUIET = {"forwarded": "off", "via": False}
HEAD = b"GET /a HTTP/1.1\r\nHost: localhost\r\n"
POST = b"POST /a HTTP/1.1\r\nHost: localhost\r\n"


def lines(request: bytes) -> list[bytes]:
    return request.partition(b"\r\n\r\n")[0].split(b"\r\n")[1:]


async def test_lines_keep_order_case_duplicates_and_bytes(relay: Relay, upstream: Any) -> None:
    sent = [
        b"aCCept: */*",
        b"x-b: 1",
        b"X-A: caf\xe9 \xff\x80",
        b"X-B: 2",
        b"Cookie: a=1",
        b"cookie: b=2",
        b"X-Empty: ",
        b"X-Tab: a\tb  c",
        b"!#$%&'*+-.^_`|~: token",
        b'SOAPAction: "http://a/b"',
        b"x-b: 1",
    ]
    request = await relay(HEAD + b"\r\n".join(sent) + b"\r\n\r\n", listener=QUIET)
    assert lines(request) == [b"Host: 127.0.0.1:%d" % upstream.port, *sent]


async def test_nothing_is_added_that_the_caller_did_not_send(relay: Relay, upstream: Any) -> None:
    request = await relay(HEAD + b"\r\n", listener=QUIET)
    assert request == b"GET /a HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n" % upstream.port


@pytest.mark.parametrize(
    "line",
    [
        b"Connection: keep-alive",
        b"Keep-Alive: timeout=5",
        b"Proxy-Connection: keep-alive",
        b"Proxy-Authorization: Basic eDp5",
        b"TE: trailers",
        b"Trailer: X-Sum",
        b"Upgrade: websocket",
        b"HTTP2-Settings: AAMAAABkAAQAAP__",
    ],
)
async def test_a_hop_by_hop_line_ends_here(relay: Relay, line: bytes) -> None:
    request = await relay(HEAD + line + b"\r\nX-Kept: 1\r\n\r\n", listener=QUIET)
    assert lines(request)[1:] == [b"X-Kept: 1"]


async def test_what_connection_names_ends_here(relay: Relay) -> None:
    named = b"Connection: close, X-One\r\nx-one: 1\r\nconnection: x-TWO ,,\r\nX-Two: 2\r\nX-Three: 3\r\n\r\n"
    assert lines(await relay(HEAD + named, listener=QUIET))[1:] == [b"X-Three: 3"]


async def test_connection_cannot_remove_what_frames_and_traces(relay: Relay) -> None:
    named = b"Connection: Host, Content-Length, X-Forwarded-For, X-Forwarded-Proto, Via\r\nContent-Length: 2\r\n\r\nhi"
    request = await relay(POST + named)
    for name in (b"\r\nHost: ", b"\r\nContent-Length: 2\r\n", b"\r\nX-Forwarded-For: ", b"\r\nVia: "):
        assert request.count(name) == 1
    assert request.endswith(b"\r\n\r\nhi")


@pytest.mark.parametrize("token", [b"websocket", b"h2c", b"TLS/1.0"])
@pytest.mark.parametrize(
    ("framing", "body"),
    [(b"", b""), (b"Content-Length: 5\r\n", b"hello"), (b"Transfer-Encoding: chunked\r\n", b"5\r\nhello\r\n0\r\n\r\n")],
)
async def test_an_upgrade_is_ignored_and_its_body_kept(
    broker: Start, upstream: Any, token: bytes, framing: bytes, body: bytes
) -> None:
    running = await broker(upstream.port, listener=QUIET)
    asks = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: " + token + b"\r\nHTTP2-Settings: AAMA\r\n"
    async with running.client() as client:
        await client.send((POST + asks + framing + b"\r\n" + body) * 2 + HEAD + b"\r\n")
        for _ in range(3):
            assert (await client.recv_response()).status == 200
    host = b"Host: 127.0.0.1:%d\r\n" % upstream.port
    expected = b"POST /a HTTP/1.1\r\n" + host + framing + b"\r\n" + body
    assert upstream.requests == [expected, expected, b"GET /a HTTP/1.1\r\n" + host + b"\r\n"]


@pytest.mark.parametrize("method", [b"POST", b"GET", b"PUT", b"PATCH", b"DELETE", b"MERGE", b"OPTIONS"])
@pytest.mark.parametrize(
    ("framing", "body"),
    [
        (b"Content-Length: 4", b"\x00\xff\r\n"),
        (b"content-LENGTH: 0", b""),
        (b"transfer-encoding: chunked", b"4\r\n\x1f\x8b\x00x\r\n0\r\n\r\n"),
        (b"Transfer-Encoding: chunked", b"0\r\n\r\n"),
    ],
)
async def test_a_body_keeps_its_framing_and_its_bytes(relay: Relay, method: bytes, framing: bytes, body: bytes) -> None:
    request = await relay(method + POST[4:] + framing + b"\r\nContent-Encoding: gzip\r\n\r\n" + body, listener=QUIET)
    assert request.startswith(method + b" /a HTTP/1.1\r\n")
    assert lines(request)[1:] == [framing, b"Content-Encoding: gzip"]
    assert request.endswith(b"\r\n\r\n" + body)


async def test_one_byte_per_packet_is_enough(broker: Start, upstream: Any) -> None:
    running = await broker(upstream.port, listener=QUIET)
    request = POST + b"X-A: \xe9\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"
    async with running.client() as client:
        for byte in request:
            await client.send(bytes([byte]))
        assert (await client.recv_response()).status == 200
    assert upstream.requests[0].endswith(b"X-A: \xe9\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n") or (
        upstream.requests[0].endswith(b"\r\n\r\n1\r\nh\r\n1\r\ni\r\n0\r\n\r\n")
    )


async def test_pipelined_requests_are_answered_in_order(broker: Start) -> None:
    async def echo(reader: Any, writer: Any) -> None:
        while request := await read_request(reader):
            target = request.split(b" ")[1]
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(target), target))

    async with RawUpstream(echo) as upstream:
        running = await broker(upstream.port)
        async with running.client() as client:
            await client.send(
                b"".join(
                    b"POST /%d HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc" % number
                    for number in range(20)
                )
            )
            assert [(await client.recv_response()).body for _ in range(20)] == [b"/%d" % n for n in range(20)]
        assert [request.split(b" ")[1] for request in upstream.requests] == [b"/%d" % n for n in range(20)]


@pytest.mark.parametrize("size", [12_000, 60_000])
async def test_long_tokens_pass(relay: Relay, size: int) -> None:
    token = b"Authorization: Bearer " + b"t" * size
    assert lines(await relay(HEAD + token + b"\r\n\r\n", listener=QUIET))[1:] == [token]


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (HEAD + b"X: " + b"a" * 66_000 + b"\r\n\r\n", 431),
        (HEAD + b"X: " + b"a" * 66_000, 431),
        (HEAD + b"X: y\r\n" * 100 + b"\r\n", 431),
        (b"GET /" + b"a" * 66_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 414),
        (b"GET /" + b"a" * 200_000, 414),
    ],
)
async def test_a_head_above_the_limits_is_refused(broker: Start, upstream: Any, request_: bytes, status: int) -> None:
    running = await broker(upstream.port)
    assert (await running.ask_until_close(request_)).startswith(b"HTTP/1.1 %d " % status)
    assert upstream.connections == []


async def test_as_many_lines_as_the_limit_pass(relay: Relay) -> None:
    assert len(lines(await relay(HEAD + b"X: y\r\n" * 99 + b"\r\n", listener=QUIET))) == 100


async def test_a_callers_key_is_not_forwarded_and_the_credential_is_injected(relay: Relay) -> None:
    settings = {
        "listener": QUIET,
        "callers": {"fno": {"type": "api_key", "header": "X-Api-Key", "key": "env:WIRE_KEY"}},
        "route": {
            "callers": ["fno"],
            "credentials": {"type": "basic", "username": "wms", "password": "env:WIRE_PASSWORD"},
        },
        "env": {"WIRE_KEY": "k-1", "WIRE_PASSWORD": "p\u00e4ss:word"},
    }
    spoofed = b"x-api-KEY: k-1\r\nX_Api_Key: k-1\r\nX.Api.Key: k-1\r\n"
    spoofed += b"Authorization: Bearer mine\r\nauthorization: x\r\nX-Kept: 1\r\n\r\n"
    credential = b"Authorization: Basic " + b64encode("wms:p\u00e4ss:word".encode())
    assert lines(await relay(HEAD + spoofed, **settings))[1:] == [b"X-Kept: 1", credential]


async def test_a_callers_basic_authorization_is_not_forwarded(relay: Relay) -> None:
    settings = {
        "listener": QUIET,
        "callers": {"fno": {"type": "basic", "username": "u", "password": "env:WIRE_PASSWORD"}},
        "route": {"callers": ["fno"]},
        "env": {"WIRE_PASSWORD": "p"},
    }
    assert lines(await relay(HEAD + b"Authorization: Basic dTpw\r\n\r\n", **settings))[1:] == []


@pytest.mark.parametrize(
    ("credentials", "line"),
    [
        ({"type": "bearer", "token": "env:WIRE_TOKEN"}, b"Authorization: Bearer s3cret"),
        ({"type": "api_key", "header": "X-WMS", "key": "env:WIRE_TOKEN"}, b"X-WMS: s3cret"),
    ],
)
async def test_a_credential_replaces_what_the_caller_sent(relay: Relay, credentials: Any, line: bytes) -> None:
    spoofed = line.partition(b":")[0].lower() + b": spoofed\r\n"
    settings = {"listener": QUIET, "route": {"credentials": credentials}, "env": {"WIRE_TOKEN": "s3cret"}}
    assert lines(await relay(HEAD + spoofed + b"\r\n", **settings))[1:] == [line]
