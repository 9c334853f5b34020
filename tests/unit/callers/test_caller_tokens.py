"""Tokens are good when their issuer signed them, for this audience, now; keys are fetched, kept, and rolled over."""

import base64
import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from token_checks import Call, check, judge, refused

from broker.callers.build_entra import audiences, discovery, issuers
from broker.callers.token import TokenDemands, TokenRefused, key_id
from broker.callers.verdict import ADMITTED, Finding
from broker.config.callers_entra import EntraJwtCaller
from broker.testing.issuer import APP, AUDIENCE, TENANT, Issuer, ec_key, public, rsa_key

OTHER = "11111111-2222-3333-4444-555555555555"


@pytest.mark.parametrize("version", [1, 2])
async def test_tokens_of_both_versions_are_taken(issuer: Issuer, call: Call, version: int) -> None:
    one = check(issuer, app_ids=[APP.upper()], roles=["Broker.Call"])
    assert await judge(one, call, issuer.token(version=version, roles=["Broker.Call", "x"])) is ADMITTED
    assert issuer.requests == [f"/{TENANT}/v2.0/.well-known/openid-configuration", "/keys"]


async def test_a_known_key_needs_no_waiting(issuer: Issuer, call: Call) -> None:
    one = check(issuer)
    await judge(one, call, issuer.token())
    assert one.judge(call((b"authorization", b"bearer " + issuer.token().encode()))) is ADMITTED


async def test_without_a_token_nothing_is_asked(issuer: Issuer, call: Call) -> None:
    one = check(issuer)
    for lines in ([], [(b"Authorization", b"Basic eDp5")]):
        verdict = one.judge(call(*lines))
        assert (verdict.finding, verdict.challenges) == (Finding.ABSENT, ('Bearer realm="broker"',))
    twice = one.judge(call((b"Authorization", b"Bearer a"), (b"Authorization", b"Bearer b")))
    assert twice.challenges == ('Bearer realm="broker", error="invalid_request"',)
    assert issuer.requests == []


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"aud": OTHER}, "The token is for another audience."),
        ({"aud": None}, "The token is malformed."),
        ({"iss": "https://sts.windows.net/" + OTHER + "/"}, "The token comes from another issuer."),
        ({"iss": None}, "The token comes from another issuer."),
        ({"tid": OTHER}, "The token comes from another tenant."),
        ({"exp": None}, "The token is malformed."),
        ({"exp": int(time.time()) - 120}, "The token has expired."),
        ({"nbf": int(time.time()) + 600}, "The token is not valid yet."),
        ({"exp": "soon"}, "The token is malformed."),
    ],
)
async def test_what_a_token_must_say(issuer: Issuer, call: Call, claims: dict[str, Any], why: str) -> None:
    assert await refused(check(issuer), call, issuer.token(**claims)) == why


async def test_clocks_may_differ_by_the_leeway(issuer: Issuer, call: Call) -> None:
    late = issuer.token(exp=int(time.time()) - 30)
    early = issuer.token(nbf=int(time.time()) + 30, iat=int(time.time()) + 30)
    assert [await judge(check(issuer), call, token) for token in (late, early)] == [ADMITTED, ADMITTED]
    assert await refused(check(issuer, leeway="5s"), call, late) == "The token has expired."


@pytest.mark.parametrize(
    ("settings", "claims"),
    [
        ({"app_ids": [OTHER]}, {}),
        ({"app_ids": [APP]}, {"azp": None}),
        ({"app_ids": [APP]}, {"appid": OTHER}),
        ({"roles": ["Broker.Call"]}, {}),
        ({"roles": ["Broker.Call"]}, {"roles": "Broker.Call"}),
        ({"roles": ["Broker.Call", "Broker.Admin"]}, {"roles": ["Broker.Call"]}),
    ],
)
async def test_a_good_token_may_not_be_enough(
    issuer: Issuer, call: Call, settings: dict[str, Any], claims: dict[str, Any]
) -> None:
    verdict = await judge(check(issuer, **settings), call, issuer.token(**claims))
    assert verdict.finding is Finding.FORBIDDEN
    assert verdict.challenges == ('Bearer realm="broker", error="insufficient_scope"',)


def jwt_number(text: str) -> bytes:
    """A member of a public key: what everybody has to sign with."""
    return base64.urlsafe_b64decode(text + "==")


def unsigned(issuer: Issuer, algorithm: str) -> str:
    header = base64.urlsafe_b64encode(json.dumps({"alg": algorithm, "kid": "first"}).encode()).rstrip(b"=")
    return f"{header.decode()}.{issuer.token().split('.')[1]}."


async def test_algorithms_are_those_of_the_settings(issuer: Issuer, call: Call) -> None:
    one = check(issuer)
    wrong = "The token is signed with an algorithm that is not accepted."
    n = jwt_number(public("first", issuer.keys["first"])["n"])
    for algorithm in ("HS256", "HS512"):
        forged = issuer.token("first", key=n, algorithm=algorithm)
        assert await refused(one, call, forged) == wrong
    for algorithm in ("none", "None", "nOnE"):
        assert await refused(one, call, unsigned(issuer, algorithm)) == wrong
    assert await refused(one, call, issuer.token(algorithm="PS256")) == wrong
    assert issuer.requests == []
    assert await judge(check(issuer, algorithms=["PS256"]), call, issuer.token(algorithm="PS256")) is ADMITTED


async def test_keys_of_other_families(issuer: Issuer, call: Call) -> None:
    issuer.keys["curve"] = ec_key()
    one = check(issuer, algorithms=["RS256", "ES256"])
    assert await judge(one, call, issuer.token("curve", algorithm="ES256")) is ADMITTED
    forged = issuer.token("curve", key=issuer.keys["first"])
    assert await refused(one, call, forged) == "The token is signed with an algorithm that its key is not for."


async def test_a_key_of_somebody_else_does_not_fit(issuer: Issuer, call: Call) -> None:
    forged = issuer.token("first", key=rsa_key())
    assert await refused(check(issuer), call, forged) == "The signature of the token does not fit."


async def test_an_issuer_of_ones_own(issuer: Issuer, call: Call) -> None:
    settings = {"tenant": None, "authority": "https://login.microsoftonline.com", "issuer": "https://idp.example/"}
    one = check(issuer, **settings, jwks_url=f"{issuer.authority}/keys")
    assert await judge(one, call, issuer.token(iss="https://idp.example/", tid=None)) is ADMITTED
    assert issuer.requests == ["/keys"]
    assert await refused(one, call, issuer.token()) == "The token comes from another issuer."


def demand(**settings: Any) -> EntraJwtCaller:
    return EntraJwtCaller(type="entra_jwt", audience="a", **settings)


def test_issuers_and_places_of_clouds() -> None:
    china = "https://login.partner.microsoftonline.cn"
    assert issuers(demand(tenant=TENANT)) == (
        f"https://sts.windows.net/{TENANT}/",
        f"https://login.microsoftonline.com/{TENANT}/v2.0",
    )
    assert f"https://sts.chinacloudapi.cn/{TENANT}/" in issuers(demand(tenant=TENANT, authority=china))
    assert f"{china}/{TENANT}/v2.0" in issuers(demand(tenant=TENANT, authority=china))
    assert discovery(demand(tenant=TENANT)).startswith(f"https://login.microsoftonline.com/{TENANT}/v2.0/.well-known/")
    assert discovery(demand(issuer="https://idp.example/")) == "https://idp.example/.well-known/openid-configuration"


def test_audiences_with_and_without_their_scheme() -> None:
    assert audiences(["api://broker"]) == ("api://broker", "broker")
    assert audiences([AUDIENCE]) == (AUDIENCE, f"api://{AUDIENCE}")
    assert audiences(["https://broker.example"]) == ("https://broker.example",)


DEMANDS = TokenDemands(("i",), ("a",), ("RS256",), 60.0)
PART = st.one_of(st.binary(max_size=60), st.sampled_from([b"[" * 5000, b"null", b"[]", b'{"alg":"RS256","kid":1}']))


@given(st.lists(PART, max_size=4))
def test_whatever_comes_is_refused(parts: list[bytes]) -> None:
    token = ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)
    with pytest.raises(TokenRefused):
        key_id(token, DEMANDS)


@given(st.text(max_size=200))
def test_any_text_is_refused(text: str) -> None:
    with pytest.raises(TokenRefused):
        key_id(text, DEMANDS)
