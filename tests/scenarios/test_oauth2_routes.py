"""A route with a token of an OAuth 2.0 server, through a whole broker."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml
from aiohttp import web
from scenario_broker import Broker

from broker.testing.contexts import client_context, server_context
from broker.testing.pki import Authority
from broker.testing.token_server import CLIENT, TokenServer

MANY = 1000
CA = Authority.create("Token CA")
SERVER = CA.issue()
SECRET = "a-client-secret"


@asynccontextmanager
async def upstream(accepts: Callable[[str], bool]) -> AsyncIterator[tuple[str, list[str]]]:
    """A service that takes the tokens that it `accepts`; gives its address, and what it is shown."""
    calls: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        shown = request.headers.get("Authorization", "").removeprefix("Bearer ")
        calls.append(shown)
        return web.Response(status=200 if accepts(shown) else 401, text=(await request.read()).decode())

    application = web.Application()
    application.router.add_route("*", "/{tail:.*}", answer)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}", calls
    finally:
        await runner.cleanup()


@asynccontextmanager
async def route(directory: Path, target: str, tokens: TokenServer) -> AsyncIterator[Any]:
    """A broker with one route; gives what makes a call, and the status and code that it comes to."""
    broker = Broker(directory, {"orders": {"targets": [target]}})
    path = directory / "routes.yaml"
    document = yaml.safe_load(path.read_text())
    ca = str(CA.write_ca(directory))
    settings = {"type": "oauth2", "token_url": tokens.url, "client_id": CLIENT, "client_secret": "env:S", "ca": ca}
    document["routes"][0]["credentials"] = settings
    path.write_text(yaml.safe_dump(document))
    await asyncio.to_thread(broker.__enter__)
    try:
        trusted = client_context(Broker.ca_pem)
        connector = aiohttp.TCPConnector(ssl=trusted, limit=100)
        async with aiohttp.ClientSession(f"https://localhost:{broker.port}", connector=connector) as session:

            async def call(body: bytes | None = None) -> tuple[int, str | None]:
                async with session.request("POST" if body else "GET", "/orders/1", data=body) as response:
                    assert await response.read() == (body or b"") or response.status != 200
                    return response.status, response.headers.get("Broker-Error")

            yield call
    finally:
        await asyncio.to_thread(broker.__exit__)


@pytest.fixture(autouse=True)
def secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("S", SECRET)


async def test_a_thousand_calls_need_one_token(tmp_path: Path) -> None:
    async with (
        TokenServer(server_context(SERVER), SECRET) as tokens,
        upstream(lambda shown: shown in tokens.issued) as (target, calls),
        route(tmp_path, target, tokens) as call,
    ):
        outcomes = await asyncio.gather(*(call() for _ in range(MANY)))
        assert set(outcomes) == {(200, None)}
        assert set(calls) == set(tokens.issued)
        assert len(tokens.requests) == 1


async def test_a_revoked_token_is_replaced_without_the_caller_seeing_it(tmp_path: Path) -> None:
    async with (
        TokenServer(server_context(SERVER), SECRET) as tokens,
        upstream(lambda shown: shown in tokens.issued[1:]) as (target, calls),
        route(tmp_path, target, tokens) as call,
    ):
        assert await call(b"an order") == (200, None)
        assert calls == tokens.issued
        assert await call() == (200, None)
        assert len(tokens.issued) == 2


async def test_without_a_token_calls_fail_at_once_as_credentials_unavailable(tmp_path: Path) -> None:
    async with (
        TokenServer(server_context(SERVER), SECRET) as tokens,
        upstream(lambda shown: shown in tokens.issued) as (target, calls),
        route(tmp_path, target, tokens) as call,
    ):
        tokens.answer = web.Response(status=503, text="<html>", content_type="text/html")
        outcomes = await asyncio.gather(*(call() for _ in range(100)))
        assert set(outcomes) == {(502, "credentials_unavailable")}
        assert len(tokens.requests) < 4
        assert calls == []
        tokens.answer = None
        async with asyncio.timeout(10):
            while (await call())[0] != 200:
                await asyncio.sleep(0.1)
