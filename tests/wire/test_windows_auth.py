"""NTLM and Negotiate through the broker, against a look-alike of IIS that authenticates connections."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rig import serving

from broker.testing.pki import Authority
from broker.testing.windows_auth import Iis, Manners, User, accounts

SOON = 60.0
CA = Authority.create(key="rsa2048")
GET = b"GET /who HTTP/1.1\r\nHost: localhost\r\n\r\n"
POST = b"POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 6\r\n\r\nabcdef"
ANNA, BERT = User("CORP", "anna", "s3cret-of-anna"), User("CORP", "bert", "s3cret-of-bert")


@pytest.fixture
def users() -> Iterator[Path]:
    with accounts([ANNA, BERT]) as file:
        yield file


@pytest.fixture(autouse=True)
def _passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANNA", ANNA.password)
    monkeypatch.setenv("BERT", BERT.password)
    monkeypatch.setenv("WRONG", "s3cret-of-nobody")


def credentials(kind: str, user: str = "anna", **more: Any) -> dict[str, Any]:
    return {"credentials": {"type": kind, "username": rf"CORP\{user}", "password": f"env:{user.upper()}", **more}}


def through(iis: Iis, **route: Any) -> Any:
    scheme = "http" if iis.certificate is None else "https"
    upstream: dict[str, Any] = {"targets": [f"{scheme}://127.0.0.1:{iis.port}"]}
    if iis.certificate is not None:
        upstream["tls"] = {"unsafe_skip_verify": True, "review_by": "2090-01-01"}
    return serving(b"", upstream=upstream, route=route)


@pytest.mark.parametrize("kind", ["ntlm", "negotiate"])
@pytest.mark.parametrize("request_bytes", [GET, POST])
async def test_a_call_is_made_as_the_configured_user(users: Path, kind: str, request_bytes: bytes) -> None:
    async with asyncio.timeout(SOON), Iis(users) as iis, through(iis, **credentials(kind)) as rig:
        for _ in range(3):
            answer = await rig.call(request_bytes)
            assert answer.status == 200, answer.body
            assert "anna" in json.loads(answer.body)["user"].lower()
        assert (iis.handshakes, iis.connections, iis.dropped) == (1, 1, 0)


@pytest.mark.parametrize("kind", ["ntlm", "negotiate"])
async def test_a_head_is_logged_in_on_one_connection_though_its_refusals_have_lengths(users: Path, kind: str) -> None:
    async with asyncio.timeout(SOON), Iis(users) as iis, through(iis, **credentials(kind)) as rig:
        assert (await rig.call(GET.replace(b"GET", b"HEAD"))).status == 200
        assert iis.handshakes == iis.connections == 1


@pytest.mark.parametrize("kind", ["ntlm", "negotiate"])
async def test_channel_binding_holds_over_tls(users: Path, kind: str) -> None:
    manners = Manners(requires_binding=True)
    async with (
        asyncio.timeout(SOON),
        Iis(users, manners, identity=CA.issue(key="rsa2048")) as iis,
        through(iis, **credentials(kind)) as rig,
    ):
        assert (await rig.call(POST)).status == 200
    async with (
        asyncio.timeout(SOON),
        Iis(users, manners, identity=CA.issue(key="rsa2048")) as iis,
        through(iis, **credentials(kind, channel_binding="off")) as rig,
    ):
        assert (await rig.call(POST)).status == 401


@pytest.mark.parametrize("kind", ["ntlm", "negotiate"])
async def test_a_wrong_password_is_the_upstreams_answer(users: Path, kind: str) -> None:
    wrong = {"credentials": {"type": kind, "username": r"CORP\anna", "password": "env:WRONG"}}
    async with asyncio.timeout(SOON), Iis(users) as iis, through(iis, **wrong) as rig:
        answer = await rig.call(POST)
    assert answer.status == 401
    assert iis.handshakes <= 3


async def test_200_calls_of_two_users_at_once_never_mix(users: Path) -> None:
    routes = [{"name": name, "match": {"path": f"/{name}/"}, **credentials("ntlm", name)} for name in ("anna", "bert")]
    async with asyncio.timeout(SOON), Iis(users) as iis:
        upstream = {"targets": [f"http://127.0.0.1:{iis.port}"]}
        async with serving(b"", upstream=upstream, more_routes=routes) as rig:

            async def ask(name: str, number: int) -> None:
                body = b"%s-%d" % (name.encode(), number)
                request = b"POST /%b/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%b"
                answer = await rig.call(request % (name.encode(), len(body), body))
                assert answer.status == 200, answer.body
                assert name in json.loads(answer.body)["user"].lower()

            for _ in range(2):
                await asyncio.gather(*(ask(("anna", "bert")[number % 2], number) for number in range(200)))
    assert iis.dropped == 0
    assert iis.handshakes == iis.connections < 400


async def test_a_login_that_the_upstream_forgets_is_made_again(users: Path) -> None:
    manners = Manners(forgets_after=1)
    async with asyncio.timeout(SOON), Iis(users, manners) as iis, through(iis, **credentials("ntlm")) as rig:
        for _ in range(4):
            assert (await rig.call(POST)).status == 200


async def test_an_upstream_that_closes_after_its_first_401_is_logged_in_to(users: Path) -> None:
    manners = Manners(closes_after_401=True)
    async with asyncio.timeout(SOON), Iis(users, manners) as iis, through(iis, **credentials("ntlm")) as rig:
        assert (await rig.call(POST)).status == 200


async def test_an_upstream_that_closes_in_the_login_is_an_error(users: Path) -> None:
    manners = Manners(closes_midway=True)
    async with asyncio.timeout(SOON), Iis(users, manners) as iis, through(iis, **credentials("ntlm")) as rig:
        answer = await rig.call(POST)
    assert (answer.status, answer.headers("broker-error")) == (502, [b"credentials_unavailable"])
