"""Callers that know nothing of sessions use a service that knows nothing else."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from scenario_broker import Broker, Start

from broker.testing.contexts import client_context

PASSWORD = "s3cret & höflich"
CREDENTIALS = {"type": "form_login", "url": "/login", "fields": {"user": "wms", "password": "env:FORM_PASSWORD"}}


class LoginApp:
    """A service with a login form. A session counts until it is ended here."""

    def __init__(self, *, marker: bool = False, csrf: bool = False) -> None:
        self.sessions: set[str] = set()
        self.tokens: set[str] = set()
        self.logins = 0
        self.tries = 0
        self.bodies: list[bytes] = []
        self._marker = marker
        self._csrf = csrf
        self.app = web.Application()
        self.app.add_routes([web.get("/login", self._page), web.post("/login", self._login)])
        self.app.add_routes([web.route("*", "/data", self._data)])

    async def _page(self, _: web.Request) -> web.Response:
        token = secrets.token_hex(8)
        self.tokens.add(token)
        text = (
            f"<form method=post><input type=hidden name=csrf value={token}><input type=password name=password></form>"
        )
        page = web.Response(text=text, content_type="text/html")
        page.set_cookie("visit", token)
        return page

    async def _login(self, request: web.Request) -> web.StreamResponse:
        self.tries += 1
        form = await request.post()
        await asyncio.sleep(0.05)
        token = form.get("csrf", "")
        if self._csrf and (token not in self.tokens or request.cookies.get("visit") != token):
            return web.Response(status=403)
        if (form["user"], form["password"]) != ("wms", PASSWORD):
            return web.Response(text="<form><input type=password></form>", content_type="text/html")
        self.logins += 1
        session = secrets.token_hex(8)
        self.sessions.add(session)
        answer = web.Response(status=302, headers={"Location": "/data"})
        answer.set_cookie("session", session, httponly=True)
        return answer

    async def _data(self, request: web.Request) -> web.StreamResponse:
        if request.cookies.get("session") not in self.sessions:
            if self._marker:
                return web.Response(text="Please log in again")
            raise web.HTTPFound("/login?back=/data")
        self.bodies.append(await request.read())
        answer = web.Response(text="data " + request.headers.get("Cookie", "").partition("; ")[2])
        answer.set_cookie("session", request.cookies["session"])
        answer.set_cookie("theme", "dark")
        return answer


@asynccontextmanager
async def calls(broker: Broker) -> AsyncIterator[Any]:
    """Makes calls, each with no cookie but its own."""
    connector = aiohttp.TCPConnector(ssl=client_context(broker.ca_pem), limit=0)
    async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as session:

        async def call(method: str = "GET", **options: Any) -> tuple[int, str, list[str]]:
            url = f"https://127.0.0.1:{broker.port}/forms/data"
            async with session.request(method, url, allow_redirects=False, **options) as answer:
                return answer.status, await answer.text(), answer.headers.getall("Set-Cookie", [])

        yield call


@asynccontextmanager
async def serving(start: Start, login: LoginApp, **settings: Any) -> AsyncIterator[Any]:
    async with TestServer(login.app) as server:
        broker = start(
            {"forms": {"targets": [f"http://127.0.0.1:{server.port}"]}}, credentials={**CREDENTIALS, **settings}
        )
        async with calls(broker) as call:
            yield call


@pytest.fixture(autouse=True)
def password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORM_PASSWORD", PASSWORD)


async def test_fifty_calls_at_once_log_in_once(start: Start) -> None:
    login = LoginApp()
    async with serving(start, login) as call:
        assert {status for status, _, _ in await asyncio.gather(*(call() for _ in range(50)))} == {200}
        assert login.logins == 1
        login.sessions.clear()
        assert {status for status, _, _ in await asyncio.gather(*(call() for _ in range(50)))} == {200}
        assert login.logins == 2


@pytest.mark.parametrize("marker", [False, True])
async def test_a_call_whose_session_is_gone_is_made_again_with_its_body(start: Start, marker: bool) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"one "
        yield b"two"

    login = LoginApp(marker=marker)
    signs = {"expired_when": {"body": "log in again"}} if marker else {}
    async with serving(start, login, **signs) as call:
        for body in (b"one two", pieces()):
            login.sessions.clear()
            status, text, _ = await call("POST", data=body)
            assert (status, text) == (200, "data ")
        assert login.bodies == [b"one two", b"one two"]
        assert login.logins == 2


async def test_the_session_stays_between_broker_and_service(start: Start) -> None:
    async with serving(start, LoginApp()) as call:
        _, text, cookies = await call(headers={"Cookie": "mine=1; session=stolen"})
        assert text == "data mine=1"
        assert [one.partition("=")[0] for one in cookies] == ["theme"]


async def test_a_form_with_a_token_against_forgery_is_filled_in(start: Start) -> None:
    login = LoginApp(csrf=True)
    async with serving(start, login, prefetch=True) as call:
        assert (await call())[0] == 200


async def test_a_wrong_password_is_tried_once_and_never_told(
    start: Start, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("FORM_PASSWORD", "wr0ng")
    login = LoginApp()
    async with serving(start, login) as call:
        answers = await asyncio.gather(*(call() for _ in range(20)))
        answers.append(await call())
        assert {status for status, _, _ in answers} == {502}
        assert all("credentials_unavailable" in text for _, text, _ in answers)
        assert login.tries == 1
    told = caplog.text + "".join(str(record.__dict__) for record in caplog.records) + str(answers)
    assert "refused (status 200)" in told
    assert "wr0ng" not in told
