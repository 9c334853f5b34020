"""Tokens that an upstream does not take."""

import asyncio
from pathlib import Path

import pytest
from aiohttp import web
from oauth2_rig import client, oauth2, token_server

from broker.credentials.flow import CredentialUnavailable
from broker.credentials.oauth2_shared import TokenStore
from broker.credentials.tokens import Pace

MANY = 1000


async def test_a_refused_token_is_replaced_once_and_the_call_made_again(tmp_path: Path) -> None:
    async with token_server() as server:
        one = client(oauth2(server, tmp_path))
        await one.call()

        def judge(token: str) -> int:
            return 401 if token == server.issued[0] else 200

        sent = await asyncio.gather(*(one.call(judge) for _ in range(MANY)))
        assert len(server.requests) == 2
        assert sent[0] == server.issued
        assert {each[-1] for each in sent} == {server.issued[1]}


async def test_an_upstream_that_refuses_everything_is_no_flood_of_token_requests(tmp_path: Path) -> None:
    async with token_server() as server:
        one = client(oauth2(server, tmp_path), tokens=TokenStore(Pace()))
        lengths = [len(await one.call(lambda _: 401)) for _ in range(50)]
        assert lengths == [2] + [1] * 49
        assert len(server.requests) == 2


async def test_a_call_that_cannot_be_repeated_leaves_a_fresh_token_to_the_next(tmp_path: Path) -> None:
    async with token_server() as server:
        one = client(oauth2(server, tmp_path))
        assert len(await one.call(lambda _: 401, repeatable=False)) == 1
        assert await one.call() == [server.issued[1]]


async def test_a_refused_token_stays_where_no_other_can_be_had(tmp_path: Path) -> None:
    async with token_server() as server:
        one = client(oauth2(server, tmp_path))
        await one.call()
        server.answer = web.Response(status=500)
        with pytest.raises(CredentialUnavailable, match="answered 500 with nothing"):
            await one.call(lambda _: 401)
        assert await one.call() == server.issued
