"""Tokens on the wire: in with a good one, a reason for each bad one, and an issuer that comes and goes."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from broker.testing.issuer import APP, AUDIENCE, TENANT, Issuer
from broker.testing.raw import RawUpstream

StartBroker = Callable[..., Awaitable[Any]]


@pytest.fixture
async def issuer() -> AsyncIterator[Issuer]:
    async with Issuer() as running:
        yield running


async def start(broker: StartBroker, upstream: RawUpstream, issuer: Issuer, **settings: Any) -> Any:
    app = {"type": "entra_jwt", "tenant": TENANT, "audience": f"api://{AUDIENCE}", "app_ids": [APP]}
    callers = {"app": {**app, "authority": issuer.authority, **settings}}
    return await broker(upstream.port, callers=callers, route={"callers": ["app"]})


async def ask(running: Any, token: str) -> Any:
    return await running.ask(b"GET /a HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %b\r\n\r\n" % token.encode())


@pytest.mark.parametrize("version", [1, 2])
async def test_a_good_token_gets_in_and_goes_no_further(
    broker: StartBroker, upstream: RawUpstream, issuer: Issuer, version: int
) -> None:
    running = await start(broker, upstream, issuer, roles=["Broker.Call"])
    for _ in range(2):
        assert (await ask(running, issuer.token(version=version, roles=["Broker.Call"]))).status == 200
    assert b"uthorization" not in upstream.requests[-1]
    assert len(issuer.requests) == 2


@pytest.mark.parametrize(
    ("made", "why"),
    [
        ({"aud": "api://other"}, b"The token is for another audience"),
        ({"exp": int(time.time()) - 600}, b"The token has expired"),
        ({"algorithm": "PS256"}, b"The token is signed with an algorithm that is not accepted"),
        ({"algorithm": "HS256", "key": "x" * 64}, b"The token is signed with an algorithm that is not accepted"),
        ({"iss": "https://sts.windows.net/other/"}, b"The token comes from another issuer"),
    ],
)
async def test_a_bad_token_is_told_why(
    broker: StartBroker, upstream: RawUpstream, issuer: Issuer, made: dict[str, Any], why: bytes
) -> None:
    running = await start(broker, upstream, issuer)
    refused = await ask(running, issuer.token(**made))
    expected = b'Bearer realm="broker", error="invalid_token", error_description="%b"' % why
    assert (refused.status, refused.headers("WWW-Authenticate")) == (401, [expected])
    assert upstream.connections == []


async def test_a_missing_role_is_403(broker: StartBroker, upstream: RawUpstream, issuer: Issuer) -> None:
    running = await start(broker, upstream, issuer, roles=["Broker.Call"])
    refused = await ask(running, issuer.token())
    assert (refused.status, refused.headers("Broker-Error")) == (403, [b"caller_forbidden"])
    assert refused.headers("WWW-Authenticate") == [b'Bearer realm="broker", error="insufficient_scope"']
    assert running.app.tallies.callers == {("-", "forbidden"): 1}


async def test_without_a_token_the_challenge_is_bare(
    broker: StartBroker, upstream: RawUpstream, issuer: Issuer
) -> None:
    running = await start(broker, upstream, issuer)
    refused = await running.ask(b"GET /a HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert (refused.status, refused.headers("WWW-Authenticate")) == (401, [b'Bearer realm="broker"'])
    assert issuer.requests == []


async def test_an_issuer_that_is_down_is_503_and_calls_go_on_when_it_is_back(
    broker: StartBroker, upstream: RawUpstream, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("broker.callers.key_source._IMPATIENT", 0.0)
    issuer.down = True
    running = await start(broker, upstream, issuer)
    refused = await ask(running, issuer.token())
    assert (refused.status, refused.headers("Broker-Error")) == (503, [b"caller_unverifiable"])
    assert refused.headers("Retry-After") == [b"5"]
    issuer.down = False
    assert (await ask(running, issuer.token())).status == 200
    issuer.down = True
    assert (await ask(running, issuer.token())).status == 200


async def test_a_key_that_rolls_over_is_found(broker: StartBroker, upstream: RawUpstream, issuer: Issuer) -> None:
    running = await start(broker, upstream, issuer, retry="1ms")
    assert (await ask(running, issuer.token())).status == 200
    issuer.roll_over("second")
    assert (await ask(running, issuer.token())).status == 200
