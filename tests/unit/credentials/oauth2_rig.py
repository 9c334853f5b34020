"""What tests of tokens share: a token server with its CA, secrets by name, injectors driven as the broker does."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from broker.config.model import EntraCredentials, OAuth2Credentials
from broker.core.ports import Reference, SecretSource
from broker.core.secret import Secret
from broker.credentials.build import build_injector
from broker.credentials.flow import Await, Call, CredentialUnavailable, Injector, Seen, Send
from broker.credentials.oauth2_shared import TokenStore
from broker.credentials.tokens import Grant, Pace
from broker.testing.contexts import server_context
from broker.testing.pki import Authority
from broker.testing.token_server import CLIENT, TokenServer

CA = Authority.create("Token CA")
SERVER = CA.issue()
IDENTITY = Authority.create("Client CA").issue_client("broker", key="rsa2048")
SECRET = "s3cret: ä+/%"
QUICK = Pace(retry=0.05, retry_most=0.2, patience=0.3, renew_gap=0.2)


class Source:
    """A secret that can be rotated."""

    def __init__(self, value: bytes) -> None:
        self.value = self.next = value
        self.version = 1
        self.renewals = 0

    def current(self) -> Secret:
        return Secret(self.value)

    async def renew(self, seen: int | None = None) -> bool:
        self.renewals += 1
        if self.next == self.value:
            return False
        self.value, self.version = self.next, self.version + 1
        return True


class Sources:
    """By the name of the reference."""

    def __init__(self, **values: bytes) -> None:
        self.all = {name: Source(value) for name, value in {"SECRET": SECRET.encode(), **values}.items()}

    def __call__(self, reference: Reference) -> SecretSource:
        return self.all[reference.rest]


class Client:
    """Credentials put to work as the broker does."""

    def __init__(self, injector: Injector) -> None:
        self.injector = injector

    async def call(self, judge: Callable[[str], int] = lambda _: 200, *, repeatable: bool = True) -> list[str]:
        """The tokens that one call sends; `judge` is the upstream. Raises what the flow raises."""
        flow = self.injector.flow(Call(b"GET", b"/", b"upstream", repeatable=repeatable))
        sent: list[str] = []
        value: Any = None
        while True:
            try:
                step = flow.send(value)
            except StopIteration:
                return sent
            if isinstance(step, Await):
                value = await step.what()
                continue
            assert isinstance(step, Send)
            sent.append(step.lines[0][1].decode().removeprefix("Bearer "))
            status = judge(sent[-1])
            if status not in step.watch:
                flow.close()
                return sent
            value = Seen(status, [])


class Clock:
    """Time that passes when a test says so."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


class MadeUp:
    """An issuer that gives numbered tokens when it is let."""

    type = "oauth2"
    name = "https://made.up"

    def __init__(self, lifetime: float = 3600) -> None:
        self.asked: list[bool] = []
        self.lifetime = lifetime
        self.broken = False
        self.go = asyncio.Event()
        self.go.set()

    async def grant(self, *, fresh: bool) -> Grant:
        self.asked.append(fresh)
        await self.go.wait()
        if self.broken:
            raise CredentialUnavailable("down for good")
        return Grant(f"t{len(self.asked)}".encode(), self.lifetime)

    async def close(self) -> None:
        pass


@asynccontextmanager
async def token_server() -> AsyncIterator[TokenServer]:
    """Over TLS, with a certificate of `CA`."""
    async with TokenServer(server_context(SERVER), SECRET) as server:
        yield server


def oauth2(server: TokenServer, directory: Path, **settings: Any) -> OAuth2Credentials:
    """Settings for this server; with the client secret unless they say otherwise."""
    proof = {} if {"certificate", "key"} & settings.keys() else {"client_secret": "env:SECRET"}
    base = {"type": "oauth2", "token_url": server.url, "client_id": CLIENT, "ca": CA.write_ca(directory)}
    return OAuth2Credentials.model_validate({**base, **proof, **settings})


def client(
    config: OAuth2Credentials | EntraCredentials, source: Sources | None = None, tokens: TokenStore | None = None
) -> Client:
    """These credentials, with a pace for impatient tests."""
    store = TokenStore(QUICK) if tokens is None else tokens
    injector = build_injector([config], source or Sources(), store, "orders")
    assert injector is not None
    return Client(injector)
