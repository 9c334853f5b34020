"""The store of shared limits in a broker that is reloaded, waits, and stops."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from needs import needs
from scenario_redis import until
from scenario_reload import PATIENCE, Place, reloading

from broker.testing.redis_server import RedisServer


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    with RedisServer(needs("redis-server"), tmp_path, password="the-first-one") as running:
        yield running


@pytest.fixture
async def place(tmp_path: Path, server: RedisServer) -> AsyncIterator[Place]:
    """A broker whose route is called three times an hour."""

    def change(place: Place) -> None:
        (place.base / "redis").write_text("the-first-one")
        place.document["limits"] = {
            "store": f"redis://127.0.0.1:{server.port}",
            "store_password": "file:redis",
            "store_timeout": "1s",
        }
        place.document["routes"][0]["rate"] = "3/h burst 3"

    async with asyncio.timeout(4 * PATIENCE), reloading(tmp_path, change=change) as (place, _):
        yield place


def connections(server: RedisServer) -> list[Any]:
    """Those to the server, but for the one that asks."""
    with server.client() as client:
        return [one["id"] for one in client.client_list() if one["cmd"] != "client|list"]


async def test_a_reload_keeps_the_connection_and_what_was_taken(place: Place, server: RedisServer) -> None:
    assert [await place.status() for _ in range(2)] == [200, 200]
    before = connections(server)
    assert len(before) == 1
    place.document["routes"].append(place.route("more", "/more"))
    await place.reloaded()
    assert [await place.status() for _ in range(2)] == [200, 429]
    assert connections(server) == before


async def test_other_settings_take_another_connection_and_the_first_is_closed(
    place: Place, server: RedisServer
) -> None:
    assert [await place.status() for _ in range(4)] == [200, 200, 200, 429]
    before = connections(server)
    place.document["limits"]["store_prefix"] = "another"
    report = await place.reloaded()
    assert report.changes == {"settings": {"changed": ["limits"]}}
    assert await place.status() == 200
    await until(lambda: len(connections(server)) == 1)
    assert connections(server) != before
    del place.document["limits"]
    await place.reloaded()
    await until(lambda: connections(server) == [])
    assert "broker_limits_store" not in (await place.admin("/metrics"))[1]


async def test_a_reload_that_fails_leaves_no_connection_behind(place: Place, server: RedisServer) -> None:
    before = connections(server)
    place.document["limits"]["store_prefix"] = "another"
    place.document["listeners"]["in"]["bind"] = "192.0.2.1:8443"
    assert (await place.reload()).outcome == "failure"
    assert connections(server) == before
    assert await place.status() == 200


async def test_stopping_closes_the_connection(place: Place, server: RedisServer) -> None:
    assert connections(server)
    await place.app.drain()
    await until(lambda: connections(server) == [])


async def test_a_rotated_password_is_used_from_the_next_connection_on(
    place: Place, server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with server.client() as client:
        client.config_set("requirepass", "the-second-one")
        (place.base / "redis").write_text("the-second-one")
        client.client_kill_filter(_type="normal", skipme=True)
    await until(lambda: "limits_store_back" in [vars(record).get("event") for record in caplog.records])
    assert await place.status() == 200
    assert await place.metric("broker_limits_store_fallback_total") == 0


async def test_a_call_waits_no_longer_than_its_deadline(place: Place, server: RedisServer) -> None:
    place.document["limits"]["store_timeout"] = "2s"
    place.document["routes"][0]["deadline"] = "300ms"
    await place.reloaded()
    server.freeze()
    try:
        assert await place.status() == 504
    finally:
        server.thaw()
    # Who was not served has not been counted.
    await until(lambda: place.app._compiled.registry.shared.up)  # type: ignore[union-attr]
    assert [await place.status() for _ in range(4)] == [200, 200, 200, 429]
