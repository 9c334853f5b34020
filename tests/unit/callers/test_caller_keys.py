"""The keys of an issuer are fetched when they are needed, kept while it is down, and rolled over when it has others."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from token_checks import Call, check, judge, refused

from broker.callers.discovery import KeyFetcher
from broker.callers.jwks import read_keys
from broker.callers.verdict import ADMITTED, Finding
from broker.testing.issuer import Issuer, public, rsa_key
from broker.testing.pki import Authority


async def test_a_key_that_rolls_over_is_fetched_when_it_is_first_seen(issuer: Issuer, call: Call) -> None:
    one = check(issuer, retry="1ms")
    before = issuer.token()
    assert await judge(one, call, before) is ADMITTED
    issuer.roll_over("second")
    await asyncio.sleep(0.002)
    assert await judge(one, call, issuer.token()) is ADMITTED
    assert await refused(one, call, before) == "The token is signed with a key that its issuer does not have."


async def test_made_up_keys_cause_no_flood(issuer: Issuer, call: Call) -> None:
    one = check(issuer)
    await judge(one, call, issuer.token())
    asked = len(issuer.requests)
    for number in range(20):
        await refused(one, call, issuer.token(f"made-up-{number}", key=issuer.keys["first"]))
    assert len(issuer.requests) == asked


async def test_calls_at_the_same_time_share_a_fetch(issuer: Issuer, call: Call) -> None:
    one, token = check(issuer), issuer.token()
    assert await asyncio.gather(*(judge(one, call, token) for _ in range(10))) == [ADMITTED] * 10
    assert len(issuer.requests) == 2


async def test_keys_stay_good_while_the_issuer_is_down(issuer: Issuer, call: Call, caplog: Any) -> None:
    one = check(issuer, refresh="1ms", retry="1ms")
    assert await judge(one, call, issuer.token()) is ADMITTED
    issuer.down = True
    await asyncio.sleep(0.002)
    assert await judge(one, call, issuer.token()) is ADMITTED
    await asyncio.sleep(0.002)
    assert await refused(one, call, issuer.token("new", key=issuer.keys["first"]))
    assert await judge(one, call, issuer.token()) is ADMITTED
    assert "answered 503; the keys fetched last stay in use" in caplog.text
    one.close()


async def test_old_keys_are_fetched_anew_in_the_background(issuer: Issuer, call: Call) -> None:
    one, token = check(issuer, refresh="1ms", retry="1ms"), issuer.token()
    await judge(one, call, token)
    issuer.roll_over("second")
    await asyncio.sleep(0.002)
    assert one.judge(call((b"Authorization", b"Bearer " + token.encode()))) is ADMITTED
    async with asyncio.timeout(5):
        while one._keys.find("first") is not None:
            await asyncio.sleep(0)
    one.close()


async def test_without_any_keys_nobody_can_tell(issuer: Issuer, call: Call) -> None:
    issuer.down = True
    one = check(issuer)
    for _ in range(3):
        verdict = await judge(one, call, issuer.token())
        assert verdict.error.code == "caller_unverifiable"
        assert verdict.error.headers == (("Retry-After", "5"),)
    assert len(issuer.requests) == 1


@pytest.mark.parametrize(
    "configuration",
    [
        {"issuer": "https://evil.example"},
        {"jwks_uri": "http://evil.example/keys"},
        {"jwks_uri": 5},
        {"jwks_uri": "ftp:x"},
    ],
)
async def test_a_configuration_of_somebody_else_is_not_taken(
    issuer: Issuer, call: Call, configuration: dict[str, Any], caplog: Any
) -> None:
    issuer.configuration = configuration
    verdict = await judge(check(issuer), call, issuer.token())
    assert verdict.finding is Finding.UNKNOWN
    assert "keys cannot be fetched" in caplog.text


async def test_a_ca_of_ones_own_is_what_is_trusted(tmp_path: Path) -> None:
    fetcher = KeyFetcher("https://127.0.0.1:9/", None, (), Authority.create().write_ca(tmp_path))
    assert len(fetcher._context.get_ca_certs()) == 1
    with pytest.raises(OSError):
        await fetcher()


def test_keys_that_are_of_no_use_are_passed_over() -> None:
    good = public("good", rsa_key())
    entries = [
        good,
        {**good, "kid": "enc", "use": "enc"},
        {**good, "kid": 5},
        {**good, "kid": "n", "n": "!"},
        {"kty": "oct", "k": "AAAA", "kid": "hs"},
        public("weak", rsa_key(1024)),
        "text",
    ]
    assert list(read_keys({"keys": entries})) == ["good"]
    for document in ({}, [], {"keys": 5}):
        with pytest.raises(ValueError, match="no set of keys"):
            read_keys(document)
