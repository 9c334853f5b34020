"""Tokens of Entra ID: the SDK of Azure itself, against something that looks like the authority."""

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from oauth2_rig import CA, IDENTITY, SECRET, Sources, client, token_server

from broker.config import credentials_entra
from broker.config.model import EntraCredentials
from broker.credentials.build import build_injector
from broker.credentials.flow import CredentialUnavailable
from broker.credentials.oauth2_shared import TokenStore
from broker.testing.token_server import CLIENT, FEDERATED, TENANT, TokenServer

SCOPE = "https://contoso.operations.dynamics.com/.default"
MANY = 1000
PEM = (IDENTITY.key_pem + IDENTITY.chain_pem).encode()


@pytest.fixture(autouse=True)
def no_identity(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever this machine is to Azure."""
    for name in ("IDENTITY_ENDPOINT", "IDENTITY_HEADER", "MSI_ENDPOINT", "AZURE_TENANT_ID", "AZURE_CLIENT_ID"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
async def tokens() -> AsyncIterator[TokenStore]:
    """Closes what the SDK opened."""
    store = TokenStore()
    yield store
    await store.close()


def entra(server: TokenServer, directory: Path, **settings: Any) -> EntraCredentials:
    registered = {"tenant": TENANT, "client_id": CLIENT} if {"client_secret", "certificate"} & settings.keys() else {}
    base = {"type": "entra", "scope": SCOPE, "ca": CA.write_ca(directory), "authority": server.origin}
    return EntraCredentials.model_validate({**base, **registered, **settings})


async def test_a_client_secret_gets_one_token_for_all(tmp_path: Path, tokens: TokenStore) -> None:
    async with token_server() as server:
        one = client(entra(server, tmp_path, client_secret="env:SECRET"), tokens=tokens)
        sent = await asyncio.gather(*(one.call() for _ in range(MANY)))
        assert {token for each in sent for token in each} == set(server.issued)
        (form,) = server.requests
        assert (form["method"], form["scope"], form["client_id"]) == ("client_secret_post", SCOPE, CLIENT)


@pytest.mark.parametrize("apart", [False, True])
async def test_a_certificate_gets_a_token(tmp_path: Path, tokens: TokenStore, apart: bool) -> None:
    async with token_server() as server:
        server.certificates = [IDENTITY.certificate]
        server.longest = 1810.0  # the SDK's own choice
        parts = {"certificate": "env:C", **({"key": "env:K"} if apart else {})}
        certificate = IDENTITY.chain_pem.encode() if apart else PEM
        source = Sources(C=certificate, K=IDENTITY.key_pem.encode())
        assert await client(entra(server, tmp_path, **parts), source, tokens).call() == server.issued
        assert server.requests[0]["method"] == "private_key_jwt"


async def test_a_federated_service_account_gets_a_token(
    tmp_path: Path, tokens: TokenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "projected").write_text(FEDERATED)
    monkeypatch.setenv("AZURE_FEDERATED_TOKEN_FILE", str(tmp_path / "projected"))
    monkeypatch.setenv("AZURE_TENANT_ID", TENANT)
    monkeypatch.setenv("AZURE_CLIENT_ID", CLIENT)
    async with token_server() as server:
        assert await client(entra(server, tmp_path, workload_identity=True), tokens=tokens).call() == server.issued
        assert server.requests[0]["method"] == "federated"


async def test_a_missing_federated_token_is_named(
    tmp_path: Path, tokens: TokenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with token_server() as server:
        monkeypatch.delenv("AZURE_FEDERATED_TOKEN_FILE", raising=False)
        config = entra(server, tmp_path, workload_identity=True)
        with pytest.raises(CredentialUnavailable, match="workload options are not fully configured"):
            await client(config).call()
        monkeypatch.setenv("AZURE_FEDERATED_TOKEN_FILE", str(tmp_path / "missing"))
        monkeypatch.setenv("AZURE_TENANT_ID", TENANT)
        monkeypatch.setenv("AZURE_CLIENT_ID", CLIENT)
        with pytest.raises(CredentialUnavailable, match="missing: No such file"):
            await client(config, tokens=tokens).call()


@pytest.mark.parametrize("own", [True, CLIENT])
async def test_a_managed_identity_gets_a_token(
    tmp_path: Path, tokens: TokenStore, monkeypatch: pytest.MonkeyPatch, own: bool | str
) -> None:
    async with TokenServer(None) as server:
        monkeypatch.setenv("IDENTITY_ENDPOINT", f"{server.origin}/msi/token")
        monkeypatch.setenv("IDENTITY_HEADER", "who-asks")
        server.more = {"expires_in": None, "expires_on": "4102444800"}
        config = EntraCredentials.model_validate({"type": "entra", "scope": SCOPE, "managed_identity": own})
        assert await client(config, tokens=tokens).call() == server.issued
        (asked,) = server.requests
        assert (asked["header"], asked["resource"]) == ("who-asks", SCOPE.removesuffix("/.default"))
        assert asked.get("client_id") == (None if own is True else CLIENT)


async def test_a_refused_token_is_not_had_from_the_cache_of_the_sdk(tmp_path: Path, tokens: TokenStore) -> None:
    async with token_server() as server:
        one = client(entra(server, tmp_path, client_secret="env:SECRET"), tokens=tokens)
        sent = await one.call(lambda token: 401 if token == server.issued[0] else 200)
        assert sent == server.issued
        assert len(sent) == 2


async def test_a_rejected_application_looks_for_a_new_secret_once(tmp_path: Path, tokens: TokenStore) -> None:
    async with token_server() as server:
        source = Sources(SECRET=b"the old one")
        source.all["SECRET"].next = SECRET.encode()
        assert await client(entra(server, tmp_path, client_secret="env:SECRET"), source, tokens).call() == server.issued
        assert len(server.requests) == 2


async def test_failures_are_told_once_in_words_and_end(
    tmp_path: Path, tokens: TokenStore, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with token_server() as server:
        wrong = Sources(SECRET=b"a-wrong-secret")
        one = client(entra(server, tmp_path, client_secret="env:SECRET"), wrong, tokens)
        outcomes = await asyncio.gather(*(one.call() for _ in range(MANY)), return_exceptions=True)
        assert {type(each) for each in outcomes} == {CredentialUnavailable}
        assert "invalid_client" in str(outcomes[0])
        assert len(server.requests) == 1
    told = [vars(record) for record in caplog.records]
    assert [each["event"] for each in told] == ["credential_down"]
    assert "a-wrong-secret" not in str(told)


@pytest.mark.parametrize(
    "answer",
    [
        web.Response(text="<html>sign in</html>", content_type="text/html"),
        web.Response(text="{", content_type="application/json"),
        web.Response(status=503),
        web.Response(status=302, headers={"Location": "https://other/"}),
        web.json_response({"access_token": "a\nb", "expires_in": 3600, "token_type": "Bearer"}),
        web.json_response({"token_type": "Bearer"}),
    ],
)
async def test_whatever_is_no_token_is_a_failure(tmp_path: Path, tokens: TokenStore, answer: web.Response) -> None:
    async with token_server() as server:
        server.answer = answer
        one = client(entra(server, tmp_path, client_secret="env:SECRET"), tokens=tokens)
        with pytest.raises(CredentialUnavailable) as caught:
            await one.call()
        assert SECRET not in str(caught.value)
        assert str(caught.value).isprintable()


async def test_an_authority_that_hangs_or_is_not_trusted_is_a_failure(tmp_path: Path, tokens: TokenStore) -> None:
    async with token_server() as server:
        with pytest.raises(CredentialUnavailable, match="certificate verify failed"):
            await client(entra(server, tmp_path, client_secret="env:SECRET", ca=None), tokens=tokens).call()
        server.open.clear()
        slow = entra(server, tmp_path, client_secret="env:SECRET", timeout="300ms")
        with pytest.raises(CredentialUnavailable, match=r"no answer within 0\.3s|Timeout"):
            await client(slow, tokens=tokens).call()


def test_what_is_not_installed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(credentials_entra, "find_spec", lambda name: None if name == "azure" else pytest.fail(name))
    config = EntraCredentials.model_validate({"type": "entra", "scope": SCOPE, "managed_identity": True})
    with pytest.raises(ValueError, match=r"entra: needs pip install 'tls-broker\[azure\]'"):
        build_injector([config], Sources())
