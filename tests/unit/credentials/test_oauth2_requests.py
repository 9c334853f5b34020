"""Token requests: how the broker proves who it is, and what endpoints answer in place of a token."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat, pkcs12
from oauth2_rig import IDENTITY, SECRET, SERVER, Sources, client, oauth2, token_server

from broker.core.secret import SecretUnavailable
from broker.credentials.build import build_injector
from broker.credentials.flow import CredentialUnavailable
from broker.testing.pki import Authority

ELLIPTIC = Authority.create("Client CA").issue_client("broker")
PEM = (IDENTITY.key_pem + IDENTITY.chain_pem).encode()
PFX = pkcs12.serialize_key_and_certificates(
    b"broker",
    IDENTITY.key,
    IDENTITY.certificate,
    None,
    BestAvailableEncryption(b"open"),  # type: ignore[arg-type]
)
LOCKED = IDENTITY.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"open"))
Sent = Callable[[web.StreamResponse], Awaitable[None]]


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
async def test_a_secret_proves_the_client(tmp_path: Path, method: str) -> None:
    async with token_server() as server:
        more = {"scope": "a b", "resource": "urn:x", "audience": "y", "parameters": {"plain": "ä&", "hidden": "env:P"}}
        assert await client(oauth2(server, tmp_path, auth=method, **more), Sources(P=b"p")).call() == server.issued
        (form,) = server.requests
        assert form.pop("method") == method
        assert ("client_secret" in form) == (method == "client_secret_post")
        assert [form[name] for name in ("grant_type", "scope", "resource", "audience", "plain", "hidden")] == [
            "client_credentials",
            "a b",
            "urn:x",
            "y",
            "ä&",
            "p",
        ]


@pytest.mark.parametrize("algorithm", [None, "PS256", "RS256"])
@pytest.mark.parametrize(
    ("settings", "secrets"),
    [
        ({"certificate": "env:C"}, {"C": PEM}),
        ({"certificate": "env:C", "passphrase": "env:W"}, {"C": PFX, "W": b"open"}),
        (
            {"certificate": "env:C", "key": "env:K", "passphrase": "env:W"},
            {"C": IDENTITY.chain_pem.encode(), "K": LOCKED, "W": b"open"},
        ),
    ],
)
async def test_an_assertion_proves_the_client(
    tmp_path: Path, settings: dict[str, str], secrets: dict[str, bytes], algorithm: str | None
) -> None:
    async with token_server() as server:
        server.certificates = [SERVER.certificate, IDENTITY.certificate]
        config = oauth2(server, tmp_path, algorithm=algorithm, **settings)
        assert await client(config, Sources(**secrets)).call() == server.issued
        assert server.requests[0]["method"] == "private_key_jwt"


async def test_an_assertion_is_for_whom_the_settings_say_and_may_be_elliptic(tmp_path: Path) -> None:
    async with token_server() as server:
        server.certificates, server.audience = [ELLIPTIC.certificate], "urn:issuer"
        sources = Sources(C=(ELLIPTIC.key_pem + ELLIPTIC.chain_pem).encode())
        one = oauth2(server, tmp_path, certificate="env:C", assertion_audience="urn:issuer", key_id="k1")
        assert await client(one, sources).call() == server.issued
        with pytest.raises(CredentialUnavailable, match="InvalidAudienceError"):
            await client(oauth2(server, tmp_path, certificate="env:C"), sources).call()


@pytest.mark.parametrize(
    ("settings", "secrets", "text"),
    [
        ({"certificate": "env:C"}, {"C": PFX}, "needs a `passphrase`"),
        ({"certificate": "env:C", "passphrase": "env:W"}, {"C": PFX, "W": b"shut"}, "passphrase is wrong"),
        ({"certificate": "env:C"}, {"C": IDENTITY.chain_pem.encode()}, "private key is missing"),
        ({"certificate": "env:C", "key": "env:K"}, {"C": IDENTITY.chain_pem.encode(), "K": LOCKED}, "is encrypted"),
        (
            {"certificate": "env:C", "key": "env:K"},
            {"C": IDENTITY.chain_pem.encode(), "K": ELLIPTIC.key_pem.encode()},
            "belongs to another certificate",
        ),
        ({"certificate": "env:C", "algorithm": "ES256"}, {"C": PEM}, "another kind than ES256"),
    ],
)
async def test_a_certificate_that_cannot_sign_is_found_at_the_start(
    tmp_path: Path, settings: dict[str, str], secrets: dict[str, bytes], text: str
) -> None:
    async with token_server() as server:
        config = oauth2(server, tmp_path, **settings)
        with pytest.raises(SecretUnavailable, match=text):
            client(config, Sources(**secrets))
        # `explain` has masks in place of secrets.
        assert build_injector([config], Sources(**secrets)) is not None


@pytest.mark.parametrize(
    ("response", "more", "text"),
    [
        (web.Response(text="<!DOCTYPE html><p>Sign in", content_type="text/html"), {}, "200 with a page of HTML"),
        (web.Response(text="token=abc"), {}, "200 with what is no JSON object"),
        (web.Response(text="[1]"), {}, "200 with what is no JSON object"),
        (web.Response(text="[" * 100_000), {}, "200 with what is no JSON object"),
        (web.Response(text="{" * 1_000_000), {}, "200 with more than a token could need"),
        (web.Response(status=502), {}, "502 with nothing"),
        (web.Response(status=500, text="{}"), {}, "500 with JSON that names no error"),
        (web.Response(status=307, headers={"Location": "https://other/"}), {}, "307: redirects are not followed"),
        (
            web.json_response({"error": "invalid_scope", "error_description": "no\r\n" + "x" * 999}, status=400),
            {},
            "x…",
        ),
        (web.json_response({"error": 7}, status=400), {}, "400: an error without a name"),
        (web.json_response({"error": "odd"}), {}, "200: odd"),
        (None, {"expires_in": None}, "did not say expires_in.*set `lifetime`"),
        (None, {"expires_in": True}, "an expires_in that is no number"),
        (None, {"expires_in": "soon"}, "an expires_in that is no number"),
        (None, {"expires_in": 10**400}, "an expires_in that is no number"),
        (None, {"expires_in": 0}, "over already"),
        (None, {"access_token": None}, "gave no access_token"),
        (None, {"access_token": "a\r\nX: y"}, "characters that no header takes"),
        (None, {"access_token": "a" * 60_000}, "too large for a header"),
        (None, {"token_type": "mac"}, "another type than Bearer"),
    ],
)
async def test_whatever_is_no_token_is_said_clearly(
    tmp_path: Path, response: web.Response | None, more: dict[str, Any], text: str
) -> None:
    async with token_server() as server:
        server.answer, server.more = response, more
        with pytest.raises(CredentialUnavailable, match=text) as caught:
            await client(oauth2(server, tmp_path)).call()
        assert len(str(caught.value)) < 500
        assert str(caught.value).isprintable()
        assert len(server.requests) == 1


@pytest.mark.parametrize("said", ["120", 120, 120.5, None])
async def test_a_lifetime_may_be_text_or_come_from_the_settings(tmp_path: Path, said: object) -> None:
    async with token_server() as server:
        server.lifetime = said
        assert await client(oauth2(server, tmp_path, lifetime="2m")).call() == server.issued


async def test_a_rejected_client_looks_for_a_new_secret_once(tmp_path: Path) -> None:
    async with token_server() as server:
        source = Sources(SECRET=b"the old one")
        source.all["SECRET"].next = SECRET.encode()
        assert await client(oauth2(server, tmp_path), source).call() == server.issued
        assert (len(server.requests), source.all["SECRET"].renewals) == (2, 1)
        wrong = Sources(SECRET=b"the old one")
        with pytest.raises(CredentialUnavailable, match="401: invalid_client"):
            await client(oauth2(server, tmp_path, scope="x"), wrong).call()
        assert (len(server.requests), wrong.all["SECRET"].renewals) == (3, 1)
