"""A TLS handshake that is cut is tried again where `connect_failed` is: nothing of the call was sent."""

import asyncio
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from rig import pki, serving
from several import code

from broker.testing import contexts
from broker.testing.pki import Authority
from broker.testing.raw.upstream import RawUpstream

SOON = 10.0
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
POST = b"POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc"
FAILED = (502, b"upstream_tls_failed")


class Front:
    """Cuts the first handshakes, and leads all others to a service."""

    def __init__(self, how: str, cut: int, behind: RawUpstream) -> None:
        self._how = how
        self._left = cut
        self._behind = behind
        self._tasks: list[asyncio.Task[Any]] = []
        self.connections = 0

    async def __call__(self, reader: StreamReader, writer: StreamWriter) -> None:
        self.connections += 1
        try:
            if self._left:
                self._left -= 1
                await self._cut(reader, writer)
                return
            onward, back = await asyncio.open_connection("127.0.0.1", self._behind.port)
            async with asyncio.TaskGroup() as both:
                both.create_task(copied(reader, back))
                both.create_task(copied(onward, writer))
        finally:
            writer.close()

    async def _cut(self, reader: StreamReader, writer: StreamWriter) -> None:
        await reader.read(1)
        if self._how == "resets":
            writer.transport.abort()
        elif self._how == "is silent":
            while await reader.read(65536):
                pass


async def copied(source: StreamReader, to: StreamWriter) -> None:
    with suppress(OSError):
        while data := await source.read(65536):
            to.write(data)
            await to.drain()
    to.close()


@asynccontextmanager
async def front_of(how: str, cut: int, issuer: Authority | None = None) -> AsyncIterator[tuple[Front, dict[str, Any]]]:
    """The front, and the settings of an upstream behind it."""
    shown = (issuer or pki()[0]).issue(["127.0.0.1"])
    async with RawUpstream(OK, tls=contexts.server_context(shown)) as behind:
        front = Front(how, cut, behind)
        server = await asyncio.start_server(front, "127.0.0.1")
        target = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        settings = {"targets": [target], "tls": {"ca": "ca.crt"}, "timeouts": {"connect": "300ms"}}
        async with server:
            yield front, settings


RETRY = {"retry": {"attempts": 3, "on": ["connect_failed"], "backoff": "1ms"}}


@pytest.mark.parametrize("how", ["closes", "resets", "is silent"])
async def test_a_cut_handshake_is_made_again_even_for_a_post(how: str) -> None:
    async with asyncio.timeout(SOON), front_of(how, 1) as (front, settings):
        async with serving(OK, upstream={**settings, **RETRY}) as rig:
            assert code(await rig.call(POST)) == (200, b"")
        assert front.connections == 2


@pytest.mark.parametrize("how", ["closes", "resets", "is silent"])
async def test_the_code_stays_that_of_tls_where_every_attempt_is_cut(how: str) -> None:
    async with asyncio.timeout(SOON), front_of(how, 9) as (front, settings):
        async with serving(OK, upstream={**settings, **RETRY}) as rig:
            assert code(await rig.call(POST)) == FAILED
        assert front.connections == 3


async def test_without_connect_failed_it_is_made_once() -> None:
    async with asyncio.timeout(SOON), front_of("resets", 9) as (front, settings):
        async with serving(OK, upstream={**settings, "retry": {"on": ["reset", "503"]}}) as rig:
            assert code(await rig.call(POST)) == FAILED
        assert front.connections == 1


async def test_a_certificate_that_is_refused_is_refused_once() -> None:
    async with asyncio.timeout(SOON), front_of("", 0, Authority.create()) as (front, settings):
        async with serving(OK, upstream={**settings, **RETRY}) as rig:
            assert code(await rig.call(POST)) == FAILED
        assert front.connections == 1
