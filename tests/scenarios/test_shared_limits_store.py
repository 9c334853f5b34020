"""The store of shared limits and its server: shared while it works, and every way in which it can be away."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from needs import needs
from scenario_redis import Password, bucket, sharing, until

from broker.compile_limits import shared_limits
from broker.config.limits import Limits, StoreUrl
from broker.policy.shared_bucket import Asked, Refused, SharedBucket, StoreAway
from broker.policy.shared_store import SharedStore
from broker.testing.pki import Authority
from broker.testing.redis_server import RedisServer

SLOW = bucket("2/h burst 3")
RIGHTS = ["+eval", "+evalsha", "+get", "+set", "+time"]


@pytest.fixture
def program() -> str:
    return needs("redis-server")


@pytest.fixture
def server(program: str, tmp_path: Path) -> Iterator[RedisServer]:
    with RedisServer(program, tmp_path) as running:
        yield running


@pytest.fixture(autouse=True)
def all_levels(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)


def events(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    return [(record.levelname, vars(record)["event"]) for record in caplog.records if "event" in vars(record)]


def causes(caplog: pytest.LogCaptureFixture, store: str = "") -> list[str]:
    told = [vars(record) for record in caplog.records if "cause" in vars(record)]
    return [fields["cause"] for fields in told if store in ("", fields["store"])]


OUTAGE = [("ERROR", "limits_store_away"), ("INFO", "limits_store_back")]


async def take(store: SharedStore, *buckets: SharedBucket) -> bool:
    """Whether a token of each was there."""
    asked = buckets or (SLOW,)
    answer = await store.take([Asked(one) for one in asked])
    assert isinstance(answer, Refused) or answer == list(asked)
    return not isinstance(answer, Refused)


async def test_two_processes_share_a_bucket_and_another_prefix_has_its_own(server: RedisServer) -> None:
    async with sharing(server) as one, sharing(server) as two, sharing(server, prefix="other") as other:
        assert [await take(store) for store in (one, two, two, one, two)] == [True, True, True, False, False]
        assert await take(other)
        assert await take(two, bucket("3/h burst 3")), "another rate is another bucket"
    with server.client() as client:
        assert all(0 < client.pttl(key) <= 3 * 1800 * 1000 + 1000 for key in client.scan_iter())


async def test_many_calls_at_once_are_granted_what_there_is_and_no_more(server: RedisServer) -> None:
    async with sharing(server) as one, sharing(server) as two:
        hundred = bucket("1/h burst 100")
        granted = await asyncio.gather(*(take(store, hundred) for store in (one, two) * 200))
        assert sum(granted) == 100
        with server.client() as client:
            assert client.info("clients")["connected_clients"] == 3


async def test_all_buckets_or_none_and_the_refusal_says_which_and_when(server: RedisServer) -> None:
    async with sharing(server) as store:
        plenty, none = bucket("1/h burst 9", "caller:fno"), bucket("1/m burst 1", "upstream:u")
        assert await take(store, plenty, none)
        for _ in range(3):
            refused = await store.take([Asked(plenty), Asked(none)])
            assert isinstance(refused, Refused)
            assert refused.index == 1
            assert 50 < refused.wait <= 60
        assert [await take(store, plenty) for _ in range(9)] == [True] * 8 + [False]


async def test_the_refusal_is_for_the_bucket_that_is_empty_for_longest(server: RedisServer) -> None:
    async with sharing(server) as store:
        soon, late = bucket("1/s burst 1", "route:r"), bucket("1/m burst 1", "upstream:u")
        assert await take(store, soon, late)
        refused = await store.take([Asked(soon), Asked(late)])
        assert isinstance(refused, Refused)
        assert refused.index == 1


async def test_a_share_is_there_for_two_processes_once_and_is_given_back(server: RedisServer) -> None:
    common, share = bucket("1/h burst 1", "upstream:u"), bucket("1/h burst 1", "share:low:u")
    async with sharing(server) as one, sharing(server) as two:
        low = [Asked(common, share=share)]
        assert await one.take(low) == [common]
        assert await two.take(low) == [common, share]
        assert isinstance(await one.take(low), Refused)
        two.give_back([common, share])
        assert isinstance(await two.take([Asked(common)]), Refused), "the debt only was paid back"
        assert await two.take(low) == [common, share]


async def test_what_is_given_back_can_be_taken_again(server: RedisServer) -> None:
    async with sharing(server) as store:
        assert [await take(store) for _ in range(4)] == [True] * 3 + [False]
        store.give_back([SLOW])
        assert [await take(store) for _ in range(2)] == [True, False]


async def test_a_call_that_leaves_while_it_asks_takes_nothing_and_disturbs_nobody(server: RedisServer) -> None:
    async with sharing(server) as store:
        for _ in range(5):
            left = [asyncio.create_task(take(store)) for _ in range(3)]
            stays = asyncio.create_task(take(store, bucket("1/h burst 99", "route:other")))
            await asyncio.sleep(0)
            for task in left:
                task.cancel()
            assert await stays
            await asyncio.gather(*left, return_exceptions=True)
        assert [await take(store) for _ in range(4)] == [True] * 3 + [False]


async def test_a_server_that_forgot_the_script_is_told_again(server: RedisServer) -> None:
    async with sharing(server) as store:
        with server.client() as client:
            assert await take(store)
            client.script_flush()
            assert await asyncio.gather(*(take(store) for _ in range(3))) == [True, True, False]
        assert store.fallbacks == 0


async def test_a_frozen_server_holds_calls_up_once_and_not_for_long(
    server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    async with sharing(server, timeout=0.2) as store:
        server.freeze()
        before = time.monotonic()
        answers = await asyncio.gather(*(take(store) for _ in range(5)), return_exceptions=True)
        assert [str(answer) for answer in answers] == ["no answer within 0.2s"] * 5
        assert 0.2 <= time.monotonic() - before < 2
        assert not store.up
        for _ in range(100):
            with pytest.raises(StoreAway, match="away"):
                await take(store)
        assert time.monotonic() - before < 2
        assert store.fallbacks == 105
        server.thaw()
        await until(lambda: store.up)
        # What it was asked before it froze, it may have counted by now.
        assert await take(store, bucket("1/h burst 1", "route:other"))
    assert events(caplog) == OUTAGE


async def test_a_server_that_is_killed_and_comes_back_empty(
    server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    async with sharing(server) as store:
        assert [await take(store) for _ in range(4)] == [True] * 3 + [False]
        server.kill()
        await until(lambda: not store.up)
        with pytest.raises(StoreAway):
            await take(store)
        # Whatever is tried meanwhile is said once.
        await asyncio.sleep(0.3)
        server.start()
        await until(lambda: store.up)
        assert await take(store)
    assert events(caplog) == OUTAGE


async def test_a_server_that_is_not_there_at_the_start_is_found_later(
    program: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server = RedisServer(program, tmp_path)
    async with sharing(server) as store:
        assert not store.up
        assert "Connect" in causes(caplog)[0]
        with server:
            await until(lambda: store.up)
            assert await take(store)


@pytest.mark.parametrize(
    ("settings", "cause"),
    [
        ({"replicaof": "127.0.0.1 1"}, "it is a replica, which takes no writes"),
        ({"maxmemory": "1"}, "it has no memory left"),
    ],
)
async def test_a_server_that_takes_no_writes_is_away(
    server: RedisServer, caplog: pytest.LogCaptureFixture, settings: dict[str, str], cause: str
) -> None:
    with server.client() as client:
        async with sharing(server) as store:
            assert await take(store)
            for name, value in settings.items():
                if name == "replicaof":
                    client.replicaof(*value.split())
                else:
                    client.config_set(name, value)
            with pytest.raises(StoreAway, match=cause):
                await take(store)
            await asyncio.sleep(0.3)
            assert not store.up, "that it answers is not enough"
            client.replicaof("no", "one")
            client.config_set("maxmemory", "0")
            await until(lambda: store.up)
    assert causes(caplog) == [cause]


async def test_a_busy_event_loop_is_not_taken_for_a_slow_server(server: RedisServer) -> None:
    async with sharing(server, timeout=0.1) as store:
        for _ in range(3):
            asked = asyncio.create_task(take(store, bucket("1/h burst 99", "route:busy")))
            while not asked.done():
                time.sleep(0.06)
                await asyncio.sleep(0)
            assert await asked
        assert store.fallbacks == 0


async def test_a_wrong_password_is_away_and_is_asked_for_again(
    program: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    password = Password("not-this-one")
    with RedisServer(program, tmp_path, password="that-one-it-is") as server:
        async with sharing(server, password=password) as store:
            assert not store.up
            await until(lambda: password.renewed > 0)
            password.next = "that-one-it-is"
            await until(lambda: store.up)
            assert await take(store)
            # The server's changes as well: the connection lives on, the next one has the new one.
            with server.client() as client:
                client.config_set("requirepass", "the-third")
                assert await take(store)
                password.value = password.next = "the-third"
                client.client_kill_filter(_type="normal", skipme=True)
            await until(lambda: not store.up)
            await until(lambda: store.up)
    assert causes(caplog) == [
        "it did not accept the user or the password",
        "Connection closed by server",
    ]
    assert "not-this-one" not in caplog.text


async def test_a_server_that_wants_a_password_and_is_given_none(program: str, tmp_path: Path) -> None:
    with RedisServer(program, tmp_path, password="that-one-it-is") as server:
        async with sharing(server) as store:
            assert not store.up


async def test_a_user_of_the_server_needs_few_rights(server: RedisServer) -> None:
    with server.client() as client:
        client.execute_command("ACL", "SETUSER", "broker", "on", ">its-password", "~{test}:rate:*", *RIGHTS)
    async with sharing(server, username="broker", password=Password("its-password")) as store:
        assert store.up
        assert await take(store)


async def test_a_user_who_may_not_ask_as_calls_do_is_found_out_before_they_ask(
    server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    with server.client() as client:
        client.execute_command("ACL", "SETUSER", "broker", "on", ">pw", "~{test}:rate:*", *RIGHTS[:1], *RIGHTS[2:])
        async with sharing(server, username="broker", password=Password("pw")) as store:
            assert not store.up
            client.execute_command("ACL", "SETUSER", "broker", RIGHTS[1])
            await until(lambda: store.up)
            assert await take(store)
    assert events(caplog) == OUTAGE
    assert "EVALSHA" in causes(caplog)[0]


async def test_a_server_that_fails_when_calls_ask_is_left_alone_for_a_while(
    server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    with server.client() as client:
        async with sharing(server) as store:
            assert await take(store)
            [key] = client.keys("*route:orders*")
            client.delete(key)
            client.lpush(key, "of another kind")
            before = client.info("stats")["total_connections_received"]
            end = time.monotonic() + 1.4
            while time.monotonic() < end:
                with pytest.raises(StoreAway):
                    await take(store)
                await asyncio.sleep(0.005)
            assert client.info("stats")["total_connections_received"] - before <= 1
    assert events(caplog).count(OUTAGE[0]) <= 2


async def test_the_start_waits_for_a_frozen_server_no_longer_than_it_may(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("broker.policy.shared_store._REACHED", (0.1, 0.3))
    server.freeze()
    before = time.monotonic()
    async with sharing(server, timeout=30.0) as store:
        assert time.monotonic() - before < 5
        assert not store.up
        server.thaw()
        await until(lambda: store.up)
    assert causes(caplog) == ["not reached within 0.3s"]


async def test_tls_with_an_authority_of_its_own(
    program: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, start_store: Callable[..., Any]
) -> None:
    authority = Authority.create("Redis CA")
    chain, key = authority.issue().write(tmp_path, "redis")
    with RedisServer(program, tmp_path, tls=(chain, key)) as server:
        good = await start_store(server, authority)
        assert good.up
        assert await take(good)
        assert events(caplog) == []
        stranger = await start_store(server, Authority.create("Somebody else"))
        assert not stranger.up
        other_name, key = authority.issue(["redis.example"]).write(tmp_path, "other")
    with RedisServer(program, tmp_path, tls=(other_name, key)) as server:
        elsewhere = await start_store(server, authority)
        assert not elsewhere.up
    assert "certificate verify failed: self-signed" in causes(caplog)[0]
    assert "IP address mismatch" in causes(caplog, elsewhere.name)[0]


@pytest.fixture
async def start_store(tmp_path: Path) -> Any:
    """Stores as routes.yaml has them, over TLS."""
    stores = []

    async def start(server: RedisServer, authority: Authority) -> Any:
        limits = Limits(
            store=StoreUrl.parse(f"rediss://127.0.0.1:{server.port}"), store_ca=authority.write_ca(tmp_path)
        )
        store = shared_limits(limits, lambda reference: pytest.fail(f"{reference} was asked for"))
        assert store is not None
        stores.append(store)
        await store.begin()
        return store

    yield start
    for store in stores:
        await store.close()
