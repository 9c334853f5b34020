"""Requests that no route takes are told so, in the contract's words, and reach no upstream."""

import ssl
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

Start = Callable[..., Awaitable[Any]]
ROUTES = [
    {"name": "post", "match": {"host": "localhost", "path": "/a/", "methods": ["POST", "GET"]}},
    {"name": "put", "match": {"host": "localhost", "path": "/a/", "methods": ["PUT"], "headers": {"x-c": "1"}}},
    {"name": "wild", "match": {"host": "*.example.test", "path": "/"}},
]


@pytest.mark.parametrize(
    ("start", "host", "status", "allow"),
    [
        (b"GET /b", b"localhost", 404, []),
        (b"DELETE /a/x", b"localhost", 405, [b"GET, POST"]),
        (b"TRACE /a/x", b"localhost", 405, [b""]),
        (b"CONNECT localhost:443", b"localhost", 405, [b""]),
        (b"GET /a/x", b"other.test", 421, []),
        (b"TRACE /a/x", b"other.test", 421, []),
        (b"GET http://other.test/a/x", b"localhost", 421, []),
    ],
)
async def test_a_request_without_a_route_is_refused(
    broker: Start, upstream: Any, start: bytes, host: bytes, status: int, allow: list[bytes]
) -> None:
    running = await broker(upstream.port, routes=ROUTES)
    answer = await running.ask(start + b" HTTP/1.1\r\nHost: " + host + b"\r\n\r\n")
    assert (answer.status, answer.headers("allow")) == (status, allow)
    assert upstream.connections == []


@pytest.mark.parametrize(
    ("start", "host"),
    [
        (b"GET /a/x", b"LOCALHOST:8443"),
        (b"GET /a/", b"localhost."),
        (b"GET /", b"a.b.example.test"),
        (b"GET http://localhost/a/", b"other.test"),
    ],
)
async def test_hosts_match_whatever_their_case_and_port(
    broker: Start, upstream: Any, start: bytes, host: bytes
) -> None:
    running = await broker(upstream.port, routes=ROUTES)
    assert (await running.ask(start + b" HTTP/1.1\r\nHost: " + host + b"\r\n\r\n")).status == 200


DEPARTMENTS = [
    {"name": "all", "match": {"path": "/app/"}},
    {"name": "admin", "match": {"path": "/app/admin/"}, "callers": ["boss"]},
]
BOSS = {"boss": {"type": "api_key", "header": "X-Api-Key", "key": "env:BOSS_KEY"}}


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (b"/app/admin/x", 401),
        (b"/app/%61dmin/x", 400),
        (b"/app//admin/x", 400),
        (b"/app/./admin/x", 400),
        (b"/app/%2e/admin/x", 400),
        (b"/app/admin%2fx", 400),
        (b"/app\\admin/x", 404),
        (b"/app/x%20y//z/./admin/", 200),
    ],
)
async def test_no_spelling_of_a_path_leads_past_the_routes_below(
    broker: Start, upstream: Any, path: bytes, status: int
) -> None:
    running = await broker(upstream.port, routes=DEPARTMENTS, callers=BOSS, env={"BOSS_KEY": "k-boss"})
    answer = await running.ask(b"GET " + path + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert answer.status == status
    assert [request.split(b" ")[1] for request in upstream.requests] == ([path] if status == 200 else [])


async def test_an_unknown_sni_is_misdirected(broker: Start, upstream: Any) -> None:
    running = await broker(upstream.port)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    request = b"GET /a HTTP/1.1\r\nHost: localhost\r\n\r\n"
    answer = await running.ask(request, context=context, server_hostname="other.test")
    assert (answer.status, answer.headers("broker-error")) == (421, [b"misdirected_request"])
    assert upstream.connections == []
