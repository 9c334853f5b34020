"""A call with an `Idempotency-Key` that goes on without its caller keeps what it needs, whatever is reloaded."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import yaml

from broker.testing.contexts import server_context
from broker.testing.pki import Authority
from broker.testing.raw import RawUpstream
from broker.testing.token_server import CLIENT, TokenServer

StartBroker = Callable[..., Awaitable[Any]]
SOON = 20.0
SECRET = "a-client-secret"
POST = b"POST / HTTP/1.1\r\nHost: localhost\r\nIdempotency-Key: k\r\nContent-Length: 3\r\n\r\nabc"


async def without_credentials(running: Any) -> None:
    path = running.app._path
    document = yaml.safe_load(path.read_text())
    del document["routes"][0]["credentials"]
    path.write_text(yaml.safe_dump(document))
    assert (await running.app.reload("test")).outcome == "success"


async def leave_alone(running: Any, tokens: TokenServer, *, before: bool) -> None:
    """Have a call wait for its token, and its caller leave `before` the reload or after it."""
    alone = running.app._compiled.idempotency_keys.alone
    async with running.client() as caller:
        await caller.send(POST)
        while not tokens.requests:
            await asyncio.sleep(0.005)
        if not before:
            await without_credentials(running)
        await caller.abort()
        while not alone:
            await asyncio.sleep(0.005)
    if before:
        await without_credentials(running)


@pytest.mark.parametrize("before", [True, False], ids=["left before", "left after"])
async def test_a_call_that_went_on_alone_gets_the_token_it_waits_for(
    broker: StartBroker, upstream: RawUpstream, tmp_path: Any, before: bool
) -> None:
    authority = Authority.create("Token CA")
    ca = str(authority.write_ca(tmp_path))
    async with asyncio.timeout(SOON), TokenServer(server_context(authority.issue()), SECRET) as tokens:
        tokens.open.clear()
        settings = {"type": "oauth2", "token_url": tokens.url, "client_id": CLIENT, "client_secret": "env:S", "ca": ca}
        running = await broker(upstream.port, route={"credentials": settings}, env={"S": SECRET})
        await leave_alone(running, tokens, before=before)
        # What the reload took out of use is let go of in tasks of their own.
        for _ in range(20):
            await asyncio.sleep(0)
        tokens.open.set()
        await running.app._compiled.idempotency_keys.alone.over()
        [request] = upstream.requests
        assert f"Bearer {tokens.issued[0]}".encode() in request
        assert (await running.ask(POST, "POST")).headers("idempotency-replayed") == [b"true"]
