"""A broker in this process, to be spoken to in raw bytes: real sockets, real TLS, whatever routes a test needs."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from broker.app import App
from broker.testing.pki import Authority
from broker.testing.raw import RawClient, RawResponse, RawUpstream

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
PATIENCE = 5.0
"""Seconds that no test needs; whoever waits longer waits for something that never comes."""


@dataclass(frozen=True)
class Certificates:
    """The files of a listener and the authority behind them."""

    authority: Authority
    chain: Path
    key: Path

    @property
    def ca(self) -> str:
        """PEM of what a caller trusts."""
        return self.authority.ca_pem


@dataclass
class Broker:
    """A running broker."""

    app: App
    ca: str

    @property
    def port(self) -> int:
        """Where callers connect."""
        return self.app.listeners["main"].address[1]

    def client(self, **options: Any) -> RawClient:
        """A caller's connection, for `async with`; asks for `localhost` unless told otherwise."""
        return RawClient(self.port, **{"ca": self.ca, **options})

    async def ask(self, request: bytes, method: str = "GET", **options: Any) -> RawResponse:
        """The answer to one request on a connection of its own."""
        async with asyncio.timeout(PATIENCE), self.client(**options) as client:
            await client.send(request)
            return await client.recv_response(method)

    async def ask_until_close(self, request: bytes, **options: Any) -> bytes:
        """Everything that comes back until the broker closes the connection."""
        async with asyncio.timeout(PATIENCE), self.client(**options) as client:
            await client.send(request)
            return await client.recv_until_close()


StartBroker = Callable[..., Awaitable[Broker]]


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """A listener's certificate for `localhost` and `*.example.test`."""
    directory = tmp_path_factory.mktemp("certificates")
    authority = Authority.create()
    authority.write_ca(directory)
    chain, key = authority.issue(["localhost", "127.0.0.1", "*.example.test"]).write(directory, "server")
    return Certificates(authority, chain, key)


@pytest.fixture
async def broker(
    tmp_path: Path, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[StartBroker]:
    """Start brokers: `broker(upstream_port, listener=…, upstream=…, route=…, routes=…, callers=…, env=…)`.

    What is given is laid over a listener that takes everything and one public route `all` to the upstream `legacy`.
    """
    apps: list[App] = []

    async def start(upstream_port: int = 9, *, env: dict[str, str] | None = None, **parts: Any) -> Broker:
        for name, value in (env or {}).items():
            monkeypatch.setenv(name, value)
        path = tmp_path / f"routes{len(apps)}.yaml"
        path.write_text(yaml.safe_dump(routes_file(certificates, upstream_port, **parts)))
        app = App(path, log_setup=False)
        await app.start()
        apps.append(app)
        return Broker(app, certificates.ca)

    yield start
    for app in apps:
        await app.stop(drain_seconds=0)


def routes_file(
    certificates: Certificates,
    upstream_port: int,
    *,
    listener: dict[str, Any] | None = None,
    upstream: dict[str, Any] | None = None,
    upstreams: dict[str, Any] | None = None,
    route: dict[str, Any] | None = None,
    routes: list[dict[str, Any]] | None = None,
    callers: dict[str, Any] | None = None,
    **more: Any,
) -> dict[str, Any]:
    """The content of a routes file."""
    usual = {"name": "all", "callers": "public", "upstream": "legacy"}
    tls = {"certificates": [{"chain": str(certificates.chain), "key": str(certificates.key)}]}
    return {
        "version": 1,
        "admin": {"bind": "127.0.0.1:0"},
        "listeners": {"main": {"bind": "127.0.0.1:0", "tls": tls, **(listener or {})}},
        "upstreams": {
            "legacy": {"targets": [f"http://127.0.0.1:{upstream_port}"], **(upstream or {})},
            **(upstreams or {}),
        },
        "callers": callers or {},
        "routes": [{**usual, **one} for one in (routes if routes is not None else [route or {}])],
        **more,
    }


@pytest.fixture
async def upstream() -> AsyncIterator[RawUpstream]:
    """An upstream that answers 200 `ok` and records what reached it."""
    async with RawUpstream(OK) as running:
        yield running


@pytest.fixture
def relay(broker: StartBroker, upstream: RawUpstream) -> Callable[..., Awaitable[bytes]]:
    """What reaches the upstream of one request: `relay(raw, route=…)`; settings count on the first call only."""
    running: list[Broker] = []

    async def forward(request: bytes, **settings: Any) -> bytes:
        if not running:
            running.append(await broker(upstream.port, **settings))
        response = await running[0].ask(request)
        assert response.status == 200, response.raw
        return upstream.requests[-1]

    return forward
