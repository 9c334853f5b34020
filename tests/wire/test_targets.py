"""The request target reaches the upstream byte for byte."""

from collections.abc import Awaitable, Callable

import pytest

Relay = Callable[..., Awaitable[bytes]]

AS_SENT = [
    b"/",
    b"/a%2fb",
    b"/a%2Fb%2f",
    b"/%27()'$",
    b'/{}^`<>"',
    b"/a|b{c}d^e",
    b"/a\\b",
    b"/q?",
    b"/?",
    b"/q??a=b?c",
    b"//double//slash",
    b"//host.example/path",
    b"/./here/.",
    b"/a/...",
    b"/q?x=../..",
    b"/q?x=%2e%2e/",
    b"/%00%0d%0a",
    b"/%ff%FE",
    b"/%zz%",
    b"/x\xff\x80x",
    b"/\xe9?\xc3\xa9",
    b"/caf\xe9/xxx",
    b"/data/Customers('A%2F1')?$filter=Name eq '1'".replace(b" ", b"%20"),
    b"/a;b=c,d:e@f",
    b"/" + b"p" * 8000,
]


@pytest.mark.parametrize("target", AS_SENT, ids=lambda target: repr(target[:24]))
async def test_a_target_stays_as_it_was_sent(relay: Relay, target: bytes) -> None:
    request = await relay(b"GET " + target + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert request.split(b"\r\n")[0] == b"GET " + target + b" HTTP/1.1"


@pytest.mark.parametrize(
    ("target", "origin"),
    [
        (b"http://localhost/a%2fb?", b"/a%2fb?"),
        (b"HTTPS://localhost:8443//x", b"//x"),
        (b"https://localhost", b"/"),
        (b"https://localhost?q", b"/?q"),
        (b"https://localhost/\xff", b"/\xff"),
    ],
)
async def test_an_absolute_target_is_forwarded_in_origin_form(relay: Relay, target: bytes, origin: bytes) -> None:
    request = await relay(b"GET " + target + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert request.split(b"\r\n")[0] == b"GET " + origin + b" HTTP/1.1"


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (b"/old/a%2fb?x=/old/", b"/Services/v1/a%2fb?x=/old/"),
        (b"/old/", b"/Services/v1/"),
        (b"/old/?", b"/Services/v1/?"),
        (b"/old//old/", b"/Services/v1//old/"),
        (b"/old/\xff\\", b"/Services/v1/\xff\\"),
    ],
)
async def test_a_route_replaces_exactly_the_matched_prefix(relay: Relay, target: bytes, expected: bytes) -> None:
    route = {"match": {"path": "/old/"}, "path": "/Services/v1/"}
    request = await relay(b"GET " + target + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", route=route)
    assert request.split(b" ")[1] == expected


async def test_a_route_replaces_an_exact_path_and_keeps_the_query(relay: Relay) -> None:
    route = {"match": {"path": "/quote"}, "path": "/Q.asmx"}
    request = await relay(b"GET /quote?a=%2f HTTP/1.1\r\nHost: localhost\r\n\r\n", route=route)
    assert request.split(b" ")[1] == b"/Q.asmx?a=%2f"


async def test_raw_bytes_survive_any_cut_of_the_request_line(broker, upstream) -> None:
    running = await broker(upstream.port)
    head = b"GET /xx\xffx\x80?x=\xe9 HTTP/1.1\r\nHost: localhost\r\n\r\n"
    async with running.client() as client:
        for cut in range(1, 24):
            await client.send(head[:cut])
            await client.send(head[cut:])
            assert (await client.recv_response()).status == 200
    assert {request.split(b"\r\n")[0] for request in upstream.requests} == {head.split(b"\r\n")[0]}
