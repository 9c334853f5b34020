"""A secret is rotated while calls go on: none of them fails."""

import asyncio
import hashlib
import re
import secrets
import time
from base64 import b64encode
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import aiohttp
import pytest
import yaml
from aiohttp import web
from aiohttp.test_utils import TestServer
from scenario_secrets import AUTHORITY, IDENTITY

from broker.app import App
from broker.testing.contexts import client_context

PASSWORDS = OLD, NEW, NEWEST = "the-0ld-password", "the-n3w-password", "the-n3west-password"
RATE: Final = 200
SWAP_AFTER: Final = 1.5
AFTERWARDS: Final = 2.0
"""How long calls go on after the last step of a plan; the broker looks at the file once in a second."""
CALLERS: Final = 8
KINDS: Final = ("basic", "bearer", "api_key", "digest")
USER = "wms"


class Upstream:
    """A service that takes some passwords, and others from some moment on."""

    def __init__(self) -> None:
        self.good = {OLD}
        self.nonce = secrets.token_hex(8)
        self.taken: Counter[str] = Counter()
        self.refused = 0
        self.moody = 0
        """Calls to answer with 401, whatever they show."""
        self.app = web.Application()
        self.app.router.add_route("*", "/{kind}/{tail:.*}", self._serve)

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        used = self._shown(request)
        if self.moody and request.path.startswith("/basic/"):
            self.moody -= 1
            return web.Response(status=401)
        if used not in self.good:
            self.refused += 1
            challenge = f'Digest realm="wms", qop="auth", algorithm=SHA-256, nonce="{self.nonce}"'
            return web.Response(status=401, headers={"WWW-Authenticate": challenge})
        self.taken[used] += 1
        return web.Response(body=body[::-1])

    def _shown(self, request: web.Request) -> str:
        shown = request.headers.get("Authorization", "") or "Key " + request.headers.get("X-Api-Key", "")
        known = {
            "Key " + password if kind == "api_key" else header(password): password
            for password in PASSWORDS
            for kind, header in (
                ("basic", lambda value: "Basic " + b64encode(f"{USER}:{value}".encode()).decode()),
                ("bearer", lambda value: "Bearer " + value),
                ("api_key", str),
            )
        }
        if shown.startswith("Digest "):
            return next((one for one in PASSWORDS if self._digest(shown, one, request.method)), "")
        return known.get(shown, "")

    def _digest(self, shown: str, password: str, method: str) -> bool:
        given = {name: quoted or plain for name, quoted, plain in re.findall(r'(\w+)=(?:"([^"]*)"|([^,\s]*))', shown)}

        def hashed(*parts: str) -> str:
            return hashlib.sha256(":".join(parts).encode()).hexdigest()

        key, call = hashed(USER, "wms", password), hashed(method, given["uri"])
        wanted = hashed(key, given["nonce"], given["nc"], given["cnonce"], given["qop"], call)
        return given["nonce"] == self.nonce and wanted == given["response"]


class Mount:
    """A directory of secrets, as programs and as Kubernetes write them."""

    def __init__(self, base: Path, *, kubernetes: bool) -> None:
        self.path = base / "mount"
        self.path.mkdir()
        self._kubernetes = kubernetes
        self._count = 0
        if kubernetes:
            (self.path / "password").symlink_to("..data/password")
        self.put(OLD)

    def put(self, value: str) -> None:
        """Replace the secret, at once."""
        self._count += 1
        if self._kubernetes:
            version = self.path / f"..version{self._count}"
            version.mkdir()
            (version / "password").write_text(value)
            (self.path / "..data_tmp").symlink_to(version.name)
            (self.path / "..data_tmp").replace(self.path / "..data")
        else:
            (self.path / "password.new").write_text(value + "\n")
            (self.path / "password.new").replace(self.path / "password")


def routes(base: Path, port: int) -> Path:
    chain, key = IDENTITY.write(base, "server")
    reference = "file:password"
    credentials: dict[str, dict[str, Any]] = {
        "basic": {"username": USER, "password": reference},
        "bearer": {"token": reference},
        "api_key": {"key": reference},
        "digest": {"username": USER, "password": reference},
    }
    document = {
        "version": 1,
        "admin": {"bind": "127.0.0.1:0"},
        "log": {"access": False},
        "secrets": {"files": "mount"},
        "listeners": {"in": {"bind": "127.0.0.1:0", "tls": {"certificates": [{"chain": chain.name, "key": key.name}]}}},
        "upstreams": {"back": {"targets": [f"http://127.0.0.1:{port}"]}},
        "routes": [
            {
                "name": kind,
                "match": {"path": f"/{kind}/"},
                "callers": "public",
                "upstream": "back",
                "credentials": {"type": kind, **credentials[kind]},
            }
            for kind in KINDS
        ],
    }
    path = base / "routes.yaml"
    path.write_text(yaml.safe_dump(document))
    return path


class Load:
    """Calls at a steady rate on kept connections, and what came of them."""

    def __init__(self, port: int) -> None:
        self.calls = 0
        self.failed: list[str] = []
        self.slowest = 0.0
        self._url = f"https://localhost:{port}"
        self._start = time.monotonic()

    async def run(self, seconds: float) -> None:
        connector = aiohttp.TCPConnector(ssl=client_context(AUTHORITY.ca_pem), limit=0)
        running: set[asyncio.Task[None]] = set()
        async with aiohttp.ClientSession(connector=connector) as session:
            for number in range(int(RATE * seconds)):
                await asyncio.sleep(max(0.0, self._start + number / RATE - time.monotonic()))
                running.add(asyncio.create_task(self._call(session, number)))
            await asyncio.gather(*running)

    async def _call(self, session: aiohttp.ClientSession, number: int) -> None:
        kind, body = KINDS[number % len(KINDS)], b"" if number // len(KINDS) % 2 else b"%d." % number * 200
        began = time.monotonic()
        try:
            request = session.post if body else session.get
            async with request(f"{self._url}/{kind}/{number}", **({"data": body} if body else {})) as answer:
                got = await answer.read()
                if answer.status != 200 or got != body[::-1]:
                    self.failed.append(f"{began - self._start:.3f}s {kind} {answer.method} {answer.status}")
        except aiohttp.ClientError as error:
            self.failed.append(f"{began - self._start:.3f}s {kind} {error!r}")
        self.calls += 1
        self.slowest = max(self.slowest, time.monotonic() - began)


Plan = list[tuple[float, Callable[[Upstream, Mount], None]]]


def seconds(plan: Plan) -> float:
    """How long a plan takes."""
    return plan[-1][0] + AFTERWARDS


async def rotated(base: Path, plan: Plan, *, kubernetes: bool) -> Any:
    """Do what the plan says, each at its time, under load; gives the load and the upstream."""
    mount, upstream = Mount(base, kubernetes=kubernetes), Upstream()
    async with TestServer(upstream.app) as server:
        app = App(routes(base, server.port), log_setup=False)
        await app.start()
        try:
            load = Load(app.listeners["in"].address[1])
            task = asyncio.create_task(load.run(seconds(plan)))
            for after, act in plan:
                await asyncio.sleep(max(0.0, load._start + after - time.monotonic()))
                act(upstream, mount)
            await task
        finally:
            await app.stop(0)
    return load, upstream


def both_at_once(upstream: Upstream, mount: Mount) -> None:
    mount.put(NEW)
    upstream.good = {NEW}


def once_more(upstream: Upstream, mount: Mount) -> None:
    mount.put(NEWEST)
    upstream.good = {NEWEST}


def file_first(_: Upstream, mount: Mount) -> None:
    mount.put(NEW)


def upstream_switches(upstream: Upstream, _: Mount) -> None:
    upstream.good = {NEW}


def upstream_takes_both(upstream: Upstream, _: Mount) -> None:
    upstream.good = {OLD, NEW}


def application_refuses(upstream: Upstream, _: Mount) -> None:
    upstream.moody = 1


PLANS: dict[str, Plan] = {
    "at the same moment": [(SWAP_AFTER, both_at_once)],
    "the upstream half a second after the file": [(SWAP_AFTER, file_first), (SWAP_AFTER + 0.5, upstream_switches)],
    "both are taken for a while": [
        (SWAP_AFTER, upstream_takes_both),
        (SWAP_AFTER + 0.5, file_first),
        (SWAP_AFTER + 2.0, upstream_switches),
    ],
    "twice": [(0.5, both_at_once), (4.0, once_more)],
}


@pytest.mark.parametrize(
    ("plan", "kubernetes"),
    [*((plan, True) for plan in PLANS), ("at the same moment", False)],
    ids=lambda value: value if isinstance(value, str) else "link" if value else "rename",
)
async def test_no_call_fails(tmp_path: Path, plan: str, kubernetes: bool) -> None:
    load, upstream = await rotated(tmp_path, PLANS[plan], kubernetes=kubernetes)
    assert load.failed == []
    assert load.calls == int(RATE * seconds(PLANS[plan]))
    for password in PASSWORDS[: 3 if plan == "twice" else 2]:
        assert upstream.taken[password] > RATE / 4


async def test_an_answer_401_of_the_applications_own_does_not_get_in_the_way(tmp_path: Path) -> None:
    """The broker asks for a new secret because of it, and asks again when there is one a moment later."""
    plan: Plan = [(SWAP_AFTER - 0.2, application_refuses), (SWAP_AFTER, both_at_once)]
    load, upstream = await rotated(tmp_path, plan, kubernetes=True)
    assert len(load.failed) == 1, load.failed
    assert upstream.taken[NEW] > RATE


async def test_calls_fail_only_while_there_is_no_good_secret(tmp_path: Path) -> None:
    """The upstream switches before the file: nobody knows the new password in between."""
    plan: Plan = [(SWAP_AFTER - 0.3, upstream_switches), (SWAP_AFTER, file_first)]
    load, upstream = await rotated(tmp_path, plan, kubernetes=True)
    assert load.failed
    assert all(SWAP_AFTER - 0.5 < float(one.partition("s ")[0]) < SWAP_AFTER + 0.1 for one in load.failed), load.failed
    assert upstream.taken[NEW] > RATE


async def test_a_file_that_is_far_ahead_of_the_upstream_is_the_upstreams_401(tmp_path: Path) -> None:
    """What the file holds now is what is sent: the value before it is not tried again, as it might lock an account."""
    plan: Plan = [(SWAP_AFTER, file_first), (SWAP_AFTER + 3.0, upstream_switches)]
    load, upstream = await rotated(tmp_path, plan, kubernetes=True)
    assert all(SWAP_AFTER + 1.0 < float(one.partition("s ")[0]) < SWAP_AFTER + 3.1 for one in load.failed), load.failed
    assert all(one.endswith(" 401") for one in load.failed)
    assert upstream.taken[NEW] > RATE
