"""Health checks of a service that asks for a certificate show the one that all of its calls show."""

import asyncio
import ssl
from typing import Any

import pytest
from rig import pki
from several import code, says, several
from test_targets_checks import OFTEN, Moody, until

from broker.testing.contexts import server_context

SOON = 20.0
A = says(b"a")
SHOWN = {"type": "client_certificate", "certificate": "env:SHOWN"}


@pytest.fixture(autouse=True)
def _identity(monkeypatch: pytest.MonkeyPatch) -> None:
    mine = pki()[0].issue_client("broker")
    monkeypatch.setenv("SHOWN", mine.chain_pem + mine.key_pem)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_the_checks_show_what_the_calls_show(version: ssl.TLSVersion) -> None:
    authority, server = pki()
    asks = server_context(server, client_ca=authority.ca_pem, minimum=version, maximum=version)
    target = Moody(A)
    settings: dict[str, Any] = {"tls": {"ca": "ca.crt"}, "health": {"path": "/health", **OFTEN, "timeout": "5s"}}
    async with (
        asyncio.timeout(SOON),
        several(target, server_tls=asks, route={"credentials": SHOWN}, **settings) as rig,
    ):
        await until(lambda: len(target.checks) > 3)
        assert rig.healthy() == [True]
        assert code(await rig.rig.call()) == (200, b"")
        await rig.reloaded(health={"path": "/health2", **OFTEN, "timeout": "5s"})
        await until(lambda: target.checks[-1].startswith(b"GET /health2"))
        assert rig.healthy() == [True]
