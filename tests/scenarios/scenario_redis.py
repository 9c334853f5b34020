"""Stores of shared limits on a Redis server of the test's own."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from broker.core.ports import SecretSource
from broker.core.rates import parse_rate
from broker.core.secret import Secret
from broker.policy.shared_bucket import SharedBucket
from broker.policy.shared_link import StoreSettings
from broker.policy.shared_store import SharedStore
from broker.testing.redis_server import RedisServer

PATIENCE = 15.0


class Password:
    """A secret that is changed by hand, and counts who asks for another."""

    version = 1

    def __init__(self, value: str) -> None:
        self.value = value
        self.next = value
        self.renewed = 0

    def current(self) -> Secret:
        return Secret(self.value.encode())

    async def renew(self, seen: int | None = None) -> bool:
        self.renewed += 1
        changed, self.value = self.value != self.next, self.next
        return changed


def bucket(rate: str, name: str = "route:orders") -> SharedBucket:
    """What a route's calls take from."""
    return SharedBucket(name, parse_rate(rate))


@asynccontextmanager
async def sharing(
    server: RedisServer, *, password: SecretSource | None = None, timeout: float = 0.5, **options: Any
) -> AsyncIterator[SharedStore]:
    """A store, after its first attempt at the server."""
    given = {"host": "127.0.0.1", "database": 0, "username": "", "tls": None, "prefix": "test", **options}
    store = SharedStore("the store", StoreSettings(port=server.port, password=password, timeout=timeout, **given))
    async with asyncio.timeout(PATIENCE):
        await store.begin()
        try:
            yield store
        finally:
            await store.close()


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that comes by itself."""
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.01)
