"""How tokens are shared, renewed and not asked for in vain; the token server is real."""

import asyncio
import json
import logging
from itertools import pairwise
from pathlib import Path

import pytest
from aiohttp import web
from oauth2_rig import QUICK, SECRET, Client, Clock, MadeUp, Sources, client, oauth2, token_server

from broker.credentials.flow import CredentialUnavailable
from broker.credentials.oauth2_shared import TokenInjector, TokenStore
from broker.credentials.tokens import Pace, SharedToken

MANY = 1000


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_thousand_calls_at_once_ask_for_one_token(tmp_path: Path) -> None:
    async with token_server() as server:
        one = client(oauth2(server, tmp_path))
        sent = await asyncio.gather(*(one.call() for _ in range(MANY)))
        assert len(server.requests) == 1
        assert {token for each in sent for token in each} == set(server.issued)


async def test_a_thousand_calls_at_the_end_of_a_token_ask_for_one_more(tmp_path: Path) -> None:
    async with token_server() as server:
        server.lifetime = 1
        one = client(oauth2(server, tmp_path))
        await one.call()
        await asyncio.sleep(1.05)
        server.lifetime = 3600
        sent = await asyncio.gather(*(one.call() for _ in range(MANY)))
        assert len(server.requests) == 2
        assert {token for each in sent for token in each} == {server.issued[1]}


@pytest.mark.parametrize(("lifetime", "soon"), [(3600.0, 3600.0 - 60), (30.0, 20.0), (1.0, 0.66)])
async def test_calls_go_on_with_a_token_that_is_being_renewed(lifetime: float, soon: float) -> None:
    clock, issuer = Clock(), MadeUp(lifetime)
    token = SharedToken(issuer, "orders", Pace(), clock)
    one = Client(TokenInjector(token))
    assert await one.call() == ["t1"]
    clock.now += soon * 0.9
    assert await one.call() == ["t1"]
    assert len(issuer.asked) == 1
    clock.now += soon * 0.1 + lifetime * 0.01
    issuer.go.clear()
    assert [await one.call() for _ in range(MANY)] == [["t1"]] * MANY
    await settled()
    assert issuer.asked == [False, False]
    issuer.go.set()
    await settled()
    assert await one.call() == ["t2"]
    assert token.counts == {"success": 2}


async def test_a_token_that_cannot_be_renewed_is_used_to_its_end_and_asked_for_ever_less() -> None:
    clock, issuer = Clock(), MadeUp(100.0)
    token = SharedToken(issuer, "orders", Pace(), clock)
    one = Client(TokenInjector(token))
    await one.call()
    issuer.broken = True
    for _ in range(94):
        clock.now += 1
        assert await one.call() == ["t1"]
        await settled()
    # From the 60th to the 94th second, 1, 2, 4, 8 and 16 seconds apart.
    assert 5 <= len(issuer.asked) <= 8
    clock.now += 6
    with pytest.raises(CredentialUnavailable, match="down for good"):
        await one.call()


async def test_a_failing_endpoint_fails_all_at_once_and_recovers_by_itself(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with token_server() as server:
        server.answer = web.json_response({"error": "temporarily_unavailable"}, status=503)
        one = client(oauth2(server, tmp_path), tokens=TokenStore(Pace()))
        outcomes = await asyncio.gather(*(one.call() for _ in range(MANY)), return_exceptions=True)
        outcomes += await asyncio.gather(*(one.call() for _ in range(MANY)), return_exceptions=True)
        assert {type(each) for each in outcomes} == {CredentialUnavailable}
        assert "503: temporarily_unavailable" in str(outcomes[0])
        assert len(server.requests) == 1
        server.answer = None
        async with asyncio.timeout(5):
            while not server.issued:
                await asyncio.sleep(0.01)
                await asyncio.gather(one.call(), return_exceptions=True)
    down, back = [vars(record) for record in caplog.records if "credential_" in str(vars(record).get("event"))]
    assert (down["event"], down["type"], down["issuer"]) == ("credential_down", "oauth2", server.url)
    assert "503" in down["cause"]
    assert back["event"] == "credential_back"


async def test_the_pause_between_tries_grows_to_its_most() -> None:
    clock, issuer = Clock(), MadeUp()
    issuer.broken = True
    one = Client(TokenInjector(SharedToken(issuer, "orders", Pace(), clock)))
    tries: list[float] = []
    for _ in range(400):
        before = len(issuer.asked)
        with pytest.raises(CredentialUnavailable, match="down for good"):
            await one.call()
        tries += [clock.now] * (len(issuer.asked) - before)
        clock.now += 0.5
    pauses = [later - earlier for earlier, later in pairwise(tries)]
    assert pauses[0] <= 1.5
    assert 24 <= pauses[-1] <= 30.5
    assert len(tries) < 14


async def test_calls_do_not_wait_for_an_endpoint_that_is_known_to_hang(tmp_path: Path) -> None:
    async with token_server() as server:
        server.open.clear()
        one = client(oauth2(server, tmp_path, timeout="1s"))
        with pytest.raises(CredentialUnavailable, match="no answer within 1s"):
            await one.call()
        await asyncio.sleep(0.1)
        start = asyncio.get_running_loop().time()
        with pytest.raises(CredentialUnavailable, match="no answer within 1s"):
            await one.call()
        assert asyncio.get_running_loop().time() - start < 0.8
        server.open.set()


async def test_a_caller_that_leaves_does_not_take_the_request_along(tmp_path: Path) -> None:
    async with token_server() as server:
        server.open.clear()
        one = client(oauth2(server, tmp_path))
        tasks = [asyncio.create_task(one.call()) for _ in range(3)]
        while not server.requests:
            await asyncio.sleep(0.01)
        tasks[0].cancel()
        await asyncio.wait(tasks[:1])
        server.open.set()
        assert await asyncio.gather(*tasks[1:]) == [server.issued, server.issued]
    assert len(server.requests) == 1


async def test_equal_credentials_share_a_token_and_others_do_not(tmp_path: Path) -> None:
    async with token_server() as server:
        tokens, source = TokenStore(QUICK), Sources()
        first, second = (client(oauth2(server, tmp_path, scope="a"), source, tokens) for _ in range(2))
        third = client(oauth2(server, tmp_path, scope="b"), source, tokens)
        assert await first.call() == await second.call()
        assert await third.call() != await first.call()
        assert [(each.route, each.counts) for each in tokens] == [("orders", {"success": 1})] * 2
        await tokens.close()


async def test_closing_gives_up_a_request_under_way(tmp_path: Path) -> None:
    async with token_server() as server:
        server.open.clear()
        tokens = TokenStore(QUICK)
        waiting = asyncio.create_task(client(oauth2(server, tmp_path), tokens=tokens).call())
        while not server.requests:
            await asyncio.sleep(0.01)
        await tokens.close()
        with pytest.raises(CredentialUnavailable, match="given up"):
            await waiting


async def test_nothing_secret_shows(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with token_server() as server:
        tokens = TokenStore(QUICK)
        source = Sources(SECRET=b"a-wrong-secret")
        with pytest.raises(CredentialUnavailable) as caught:
            await client(oauth2(server, tmp_path), source, tokens).call()
        assert "invalid_client (Refusal: a wrong secret: ***)" in str(caught.value)
        one = client(oauth2(server, tmp_path, scope="x"), tokens=tokens)
        await one.call()
        shown = " ".join(map(repr, [one.injector, *tokens, *(each.current() for each in tokens), caught.value]))
        shown += json.dumps([vars(record) for record in caplog.records], default=str)
        for secret in (SECRET, "a-wrong-secret", *server.issued):
            assert secret not in shown
