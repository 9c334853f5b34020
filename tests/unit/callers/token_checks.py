"""Checks of tokens, and what they say."""

from collections.abc import Callable
from typing import Any

from broker.callers.build_entra import build_entra
from broker.callers.entra import EntraJwtCheck
from broker.callers.verdict import Finding, Verdict
from broker.config.callers_entra import EntraJwtCaller
from broker.core.exchange import Exchange
from broker.testing.issuer import AUDIENCE, TENANT, Issuer

Call = Callable[..., Exchange]


def check(issuer: Issuer, /, **settings: Any) -> EntraJwtCheck:
    usual = {"tenant": TENANT, "audience": f"api://{AUDIENCE}", "authority": issuer.authority}
    return build_entra("app", EntraJwtCaller(type="entra_jwt", **{**usual, **settings}))


async def judge(check: EntraJwtCheck, call: Call, token: str) -> Verdict:
    verdict = check.judge(call((b"Authorization", b"Bearer " + token.encode())))
    return verdict if isinstance(verdict, Verdict) else await verdict()


async def refused(check: EntraJwtCheck, call: Call, token: str) -> str:
    verdict = await judge(check, call, token)
    assert verdict.finding is Finding.WRONG
    assert verdict.challenges[0].startswith('Bearer realm="broker", error="invalid_token", error_description="The ')
    return verdict.reason
