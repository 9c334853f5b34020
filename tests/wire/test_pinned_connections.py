"""A caller that authenticates the connection itself has one upstream connection for itself."""

import asyncio
from asyncio import StreamWriter
from typing import Any

import pytest
from rig import serving

from broker.testing.raw.reader import RawReader, read_request

SOON = 10.0
PLAIN = b"GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n"


def signed(scheme: bytes, user: bytes) -> bytes:
    return PLAIN.replace(b"\r\n\r\n", b"\r\nAuthorization: %b %b\r\n\r\n" % (scheme, user))


async def by_connection(reader: RawReader, writer: StreamWriter) -> None:
    """Says who authenticated the connection, for every request on it."""
    user = b"nobody"
    while True:
        request = await read_request(reader)
        for line in request.split(b"\r\n"):
            if line.startswith(b"Authorization: "):
                user = line.rpartition(b" ")[2]
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(user), user))
        await writer.drain()


@pytest.mark.parametrize("scheme", [b"NTLM", b"Negotiate", b"negotiate"])
async def test_nobody_else_gets_an_authenticated_connection(scheme: bytes) -> None:
    async with asyncio.timeout(SOON), serving(by_connection) as rig, rig.caller() as anna, rig.caller() as bert:

        async def ask(caller: Any, request: bytes) -> bytes:
            await caller.send(request)
            return bytes((await caller.recv_response()).body)

        assert await ask(anna, signed(scheme, b"anna")) == b"anna"
        assert await ask(bert, PLAIN) == b"nobody"
        assert await ask(anna, PLAIN) == b"anna"
        assert await ask(bert, signed(scheme, b"bert")) == b"bert"
        assert await asyncio.gather(ask(anna, PLAIN), ask(bert, PLAIN)) == [b"anna", b"bert"]
        assert (await rig.call(PLAIN)).body == b"nobody"


async def test_the_connection_ends_with_the_callers() -> None:
    async with asyncio.timeout(SOON), serving(by_connection) as rig:
        async with rig.caller() as anna:
            await anna.send(signed(b"NTLM", b"anna"))
            assert (await anna.recv_response()).body == b"anna"
            assert rig.upstream.connections[0].open
        while rig.upstream.connections[0].open:
            await asyncio.sleep(0.01)
        assert rig.pooled() == (0, 0)
        assert (await rig.call(PLAIN)).body == b"nobody"


async def test_a_login_begins_on_a_connection_that_served_nobody() -> None:
    async with asyncio.timeout(SOON), serving(by_connection) as rig:
        for request in (PLAIN, signed(b"NTLM", b"anna")):
            await rig.call(request)
        assert [len(connection.requests) for connection in rig.upstream.connections] == [1, 1]


async def test_a_scheme_that_proves_each_request_shares_connections() -> None:
    async with asyncio.timeout(SOON), serving(by_connection) as rig:
        for _ in range(3):
            await rig.call(signed(b"Basic", b"YTpi"))
        assert len(rig.upstream.connections) == 1


async def test_a_dropped_authorization_pins_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "t0ken-of-the-route")
    route = {"credentials": {"type": "bearer", "token": "env:TOKEN"}}
    async with asyncio.timeout(SOON), serving(by_connection, route=route) as rig:
        for _ in range(2):
            assert (await rig.call(signed(b"NTLM", b"anna"))).body == b"t0ken-of-the-route"
        assert len(rig.upstream.connections) == 1


async def test_of_two_authorization_lines_each_counts() -> None:
    both = signed(b"Basic", b"YTpi").replace(b"\r\n\r\n", b"\r\nAuthorization: NTLM anna\r\n\r\n")
    async with asyncio.timeout(SOON), serving(by_connection) as rig, rig.caller() as anna:
        await anna.send(both)
        assert (await anna.recv_response()).body == b"anna"
        assert (await rig.call(PLAIN)).body == b"nobody"


async def test_another_caller_on_the_same_connection_does_not_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "t0ken-of-the-route")
    injected = {"name": "own", "match": {"path": "/own/"}, "credentials": {"type": "bearer", "token": "env:TOKEN"}}
    async with asyncio.timeout(SOON), serving(by_connection, more_routes=[injected]) as rig, rig.caller() as anna:
        await anna.send(signed(b"NTLM", b"anna"))
        assert (await anna.recv_response()).body == b"anna"
        await anna.send(PLAIN.replace(b"/x", b"/own/x"))
        assert (await anna.recv_response()).body == b"t0ken-of-the-route"
        assert len(rig.upstream.connections) == 2


async def test_a_proxy_in_front_pins_nothing() -> None:
    trusted = {"trusted_proxies": ["127.0.0.0/8"]}
    async with asyncio.timeout(SOON), serving(by_connection, listener=trusted) as rig, rig.caller() as proxy:
        await proxy.send(signed(b"NTLM", b"anna"))
        assert (await proxy.recv_response()).body == b"anna"
        await proxy.send(PLAIN)
        assert (await proxy.recv_response()).body == b"nobody"
