"""Credentials against the real thing: Apache's Basic, Digest and client certificates, nginx's Basic."""

import asyncio
from base64 import b64encode
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from hashlib import sha1, sha256
from io import BytesIO
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, pkcs12
from scenario_apache import BASIC, DIGEST, PASSWORD, USER, Apache, Tls, apache
from scenario_broker import Broker, Start
from scenario_servers import nginx

from broker.testing.contexts import client_context
from broker.testing.pki import Authority, Issued

SERVERS = Authority.create("Legacy CA")
SERVER = SERVERS.issue(key="rsa2048")
PARTNERS = Authority.create("Partner CA")
BROKER = PARTNERS.issue_client("broker")
PASSPHRASE = "open sesame"
BODY = b"<order>\xff\x00</order>\r\n" * 20


@pytest.fixture(scope="module")
def places() -> Iterator[Apache]:
    digests = {
        "digest": "",
        "counted": "AuthDigestNcCheck On",
        "once": "AuthDigestNonceLifetime 0",
        "short": "AuthDigestNonceLifetime 1",
    }
    with apache({"basic": BASIC} | {name: f"{DIGEST}\n{more}" for name, more in digests.items()}) as server:
        yield server


@pytest.fixture(autouse=True)
def secrets(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("WMS_PASSWORD", PASSWORD)
    monkeypatch.setenv("WRONG", "wr0ng")
    monkeypatch.setenv("PASSPHRASE", PASSPHRASE)
    monkeypatch.setenv("BROKER_CERTIFICATE", BROKER.chain_pem)
    monkeypatch.setenv("BROKER_KEY", BROKER.key_pem)
    pfx(tmp_path / "broker.pfx", BROKER)


def pfx(path: Path, issued: Issued) -> None:
    how = BestAvailableEncryption(PASSPHRASE.encode())
    path.write_bytes(
        pkcs12.serialize_key_and_certificates(b"broker", issued.key, issued.certificate, list(issued.above), how)
    )


def login(kind: str, password: str = "env:WMS_PASSWORD", **more: Any) -> dict[str, Any]:
    return {"type": kind, "username": USER, "password": password, **more}


@asynccontextmanager
async def calls(broker: Broker, place: str) -> AsyncIterator[Any]:
    """Makes calls through the broker; gives status and body."""
    connector = aiohttp.TCPConnector(ssl=client_context(broker.ca_pem), limit=0)
    async with aiohttp.ClientSession(f"https://127.0.0.1:{broker.port}", connector=connector) as session:

        async def call(path: str = "orders", body: Any = None) -> tuple[int, bytes]:
            method = "GET" if body is None else "POST"
            async with session.request(method, f"/legacy/{place}/{path}", data=body) as answer:
                return answer.status, await answer.read()

        yield call


def serving(start: Start, server: Apache, credentials: Any, tls: dict[str, Any] | None = None) -> Broker:
    scheme = "http" if tls is None else "https"
    upstream: dict[str, Any] = {"targets": [f"{scheme}://127.0.0.1:{server.port}"]}
    return start({"legacy": upstream if tls is None else {**upstream, "tls": tls}}, credentials=credentials)


def ok(body: bytes = b"", user: str = USER, subject: str = "") -> tuple[int, bytes]:
    return 200, f"{user}|{subject}|{sha256(body).hexdigest()}  -\n".encode()


async def logged(server: Apache, path: str, wanted: int) -> list[Any]:
    """What Apache logged of this path, once there is so much of it: it writes when an answer is out."""
    found: list[Any] = []
    async with asyncio.timeout(10):
        while len(found) < wanted:
            await asyncio.sleep(0.02)
            found = [one for one in server.logged() if one.path == path]
    return found


async def in_pieces() -> AsyncIterator[bytes]:
    for _ in range(3):
        yield BODY


async def test_basic_is_what_apache_takes(start: Start, places: Apache) -> None:
    async with calls(serving(start, places, login("basic")), "basic") as call:
        assert await call() == ok()
        assert await call(body=BODY) == ok(BODY)


@pytest.mark.parametrize(("kind", "asked"), [("basic", 1), ("digest", 2)])
async def test_with_a_wrong_password_the_401_of_apache_stands(
    start: Start, places: Apache, kind: str, asked: int, caplog: pytest.LogCaptureFixture
) -> None:
    async with calls(serving(start, places, login(kind, "env:WRONG")), kind) as call:
        status, body = await call("wrong", BODY)
    assert (status, b"Unauthorized" in body) == (401, True)
    assert len(await logged(places, f"/{kind}/wrong", asked)) == asked
    assert "wr0ng" not in caplog.text


@pytest.mark.parametrize("place", ["digest", "counted", "once"])
async def test_digest_is_challenged_once_and_then_counts(start: Start, places: Apache, place: str) -> None:
    async with calls(serving(start, places, login("digest")), place) as call:
        for number in range(40):
            body = None if number % 2 else BODY
            assert await call("sequence", body) == ok(body or b"")
    seen = await logged(places, f"/{place}/sequence", 41)
    assert [one.status for one in seen] == [401] + [200] * 40
    uses = [one.use for one in seen[1:]]
    if place == "once":
        # Each answer names the nonce of the next request.
        assert [count for _, count in uses] == [1] * 40
        assert len(set(uses)) == 40
    else:
        assert uses == [(uses[0][0], count) for count in range(1, 41)]


async def test_a_body_without_a_length_goes_through_digest(start: Start, places: Apache) -> None:
    async with calls(serving(start, places, login("digest")), "digest") as call:
        assert await call(body=in_pieces()) == ok(BODY * 3)
        large = BODY * 5000
        assert await call(body=BytesIO(large)) == ok(large)


async def test_fifty_digest_calls_at_once_share_a_nonce_and_never_a_count(start: Start, places: Apache) -> None:
    async with calls(serving(start, places, login("digest")), "digest") as call:
        for _ in range(3):
            bodies = [b"%d " % number * 100 for number in range(50)]
            answers = await asyncio.gather(*(call("crowd", body) for body in bodies))
            assert answers == [ok(body) for body in bodies]
    seen = await logged(places, "/digest/crowd", 151)
    uses = Counter(one.use for one in seen if one.status == 200)
    assert len(uses) == 150
    # None but the first calls, which know no nonce yet, are challenged.
    assert [one.status for one in seen].count(401) <= 50


async def test_a_nonce_that_has_become_stale_costs_one_more_round(start: Start, places: Apache) -> None:
    async with calls(serving(start, places, login("digest")), "short") as call:
        for _ in range(3):
            assert await call("stale", BODY) == ok(BODY)
            await asyncio.sleep(2.1)
        answers = await asyncio.gather(*(call("stale", BODY) for _ in range(50)))
    assert answers == [ok(BODY)] * 50
    seen = await logged(places, "/short/stale", 3 + 3 + 50)
    assert [one.status for one in seen[:6]] == [401, 200] * 3


@pytest.fixture(scope="module")
def asking() -> Iterator[Apache]:
    """Apache that wants a certificate in the handshake."""
    tls = Tls(SERVER, PARTNERS.ca_pem, "SSLVerifyClient require\nSSLOptions +StdEnvVars\n")
    with apache({"open": "Require all granted"}, tls) as server:
        yield server


@pytest.fixture(scope="module")
def asking_later() -> Iterator[Apache]:
    """Apache that wants a certificate of those who have one, and refuses a place to all others."""
    tls = Tls(SERVER, PARTNERS.ca_pem, "SSLVerifyClient optional\nSSLOptions +StdEnvVars\n")
    with apache({"open": "Require ssl-verify-client"}, tls) as server:
        yield server


BOTH = """
    <RequireAll>
        Require ssl-verify-client
        Require valid-user
    </RequireAll>
"""
PEM = {"type": "client_certificate", "certificate": "env:BROKER_CERTIFICATE", "key": "env:BROKER_KEY"}


def in_pfx(tmp_path: Path) -> dict[str, Any]:
    return {
        "type": "client_certificate",
        "certificate": f"file:{tmp_path / 'broker.pfx'}",
        "passphrase": "env:PASSPHRASE",
    }


@pytest.mark.parametrize("form", ["pem", "pfx"])
async def test_a_client_certificate_is_shown_in_the_handshake(
    start: Start, asking: Apache, tmp_path: Path, form: str
) -> None:
    credentials = PEM if form == "pem" else in_pfx(tmp_path)
    tls = {"ca": str(SERVERS.write_ca(tmp_path))}
    async with calls(serving(start, asking, credentials, tls), "open") as call:
        assert await call(body=BODY) == ok(BODY, "", "CN=broker")


async def test_without_a_certificate_the_handshake_fails(start: Start, asking: Apache, tmp_path: Path) -> None:
    tls = {"ca": str(SERVERS.write_ca(tmp_path))}
    async with calls(serving(start, asking, None, tls), "open") as call:
        status, text = await call()
    assert status == 502
    assert b"The upstream wants a client certificate" in text


async def test_a_place_for_certificates_is_403_without_one(start: Start, asking_later: Apache, tmp_path: Path) -> None:
    tls = {"ca": str(SERVERS.write_ca(tmp_path))}
    async with calls(serving(start, asking_later, None, tls), "open") as call:
        assert (await call())[0] == 403


async def test_a_certificate_and_a_password_go_together(start: Start, tmp_path: Path) -> None:
    tls = Tls(SERVER, PARTNERS.ca_pem, "SSLVerifyClient optional\nSSLOptions +StdEnvVars\n")
    both = BASIC.replace("Require valid-user", "") + BOTH
    with apache({"both": both}, tls) as server:
        upstream = {"ca": str(SERVERS.write_ca(tmp_path))}
        async with calls(serving(start, server, [PEM, login("basic")], upstream), "both") as call:
            assert await call(body=BODY) == ok(BODY, subject="CN=broker")


@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
async def test_a_certificate_is_shown_when_a_place_asks_for_it(start: Start, tmp_path: Path, version: str) -> None:
    # By renegotiation, and since TLS 1.3 by authentication after the handshake: the path is not known before.
    tls = Tls(SERVER, PARTNERS.ca_pem, f"SSLVerifyClient none\nSSLOptions +StdEnvVars\nSSLProtocol {version}\n")
    with apache({"open": "SSLVerifyClient require\nRequire all granted"}, tls) as server:
        upstream = {"ca": str(SERVERS.write_ca(tmp_path))}
        async with calls(serving(start, server, PEM, upstream), "open") as call:
            assert await call() == ok(b"", "", "CN=broker")
            assert await call(body=BODY) == ok(BODY, "", "CN=broker")


def basic_file(directory: Path) -> Path:
    path = directory / "users"
    path.write_text(f"{USER}:{{SHA}}{b64encode(sha1(PASSWORD.encode()).digest()).decode()}\n")
    return path


@pytest.mark.parametrize(("password", "status"), [("env:WMS_PASSWORD", 200), ("env:WRONG", 401)])
def test_basic_is_what_nginx_takes(start: Start, tmp_path: Path, password: str, status: int) -> None:
    (tmp_path / "orders").write_text("seven")
    place = f"root {tmp_path}; auth_basic Warehouse; auth_basic_user_file {basic_file(tmp_path)};"
    with nginx(tmp_path, SERVER, "TLSv1.2", "HIGH", place) as port:
        tls = {"ca": str(SERVERS.write_ca(tmp_path))}
        upstreams = {"legacy": {"targets": [f"https://127.0.0.1:{port}"], "tls": tls}}
        answer = start(upstreams, credentials=login("basic", password)).get("/legacy/orders")
    assert answer.status == status
    assert (answer.text == "seven") == (status == 200)
