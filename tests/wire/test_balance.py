"""Which of several targets a call goes to, and when the next one takes its place."""

import asyncio
import socket
from asyncio import StreamWriter
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from rig import pki, serving
from several import asking, says, several

from broker.testing.contexts import server_context
from broker.testing.raw.reader import RawReader, read_request
from broker.testing.raw.upstream import RawUpstream
from broker.upstream import dial
from broker.upstream.origin import Origin

SOON = 20.0
A, B, C = says(b"a"), says(b"b"), says(b"c")
QUICK: dict[str, Any] = {"ejection": {"failures": 1, "time": "200ms"}, "slow_start": 0}
KEYS = [f"company-{number}" for number in range(12)]


class Held:
    """A target that answers when told."""

    def __init__(self, answer: bytes) -> None:
        self.answer = answer
        self.now = 0
        self.go = asyncio.Event()

    async def __call__(self, reader: RawReader, writer: StreamWriter) -> None:
        while await read_request(reader):
            self.now += 1
            await self.go.wait()
            self.now -= 1
            writer.write(self.answer)
            await writer.drain()


async def test_targets_take_turns() -> None:
    async with asyncio.timeout(SOON), several(A, B, C) as rig:
        assert await rig.bodies(9) == {b"a": 3, b"b": 3, b"c": 3}


async def test_weights_are_kept() -> None:
    async with asyncio.timeout(SOON), several(A, B, weights=[3, 1]) as rig:
        assert await rig.bodies(12) == {b"a": 9, b"b": 3}


@pytest.mark.parametrize("balance", ["least_requests", "power_of_two"])
async def test_the_idle_target_is_preferred(balance: str) -> None:
    busy = Held(A)
    async with asyncio.timeout(SOON), several(busy, B, balance=balance) as rig:
        held = []
        while not busy.now:
            held.append(asyncio.create_task(rig.rig.call()))
            await asyncio.sleep(0.02)
        assert await rig.bodies(10) == {b"b": 10}
        busy.go.set()
        await asyncio.gather(*held)
        assert set(await rig.bodies(12)) == {b"a", b"b"}


async def test_in_turn_a_busy_target_gets_its_share_all_the_same() -> None:
    busy = Held(A)
    async with asyncio.timeout(SOON), several(busy, B) as rig:
        held = [asyncio.create_task(rig.rig.call()) for _ in range(8)]
        while busy.now < 4:
            await asyncio.sleep(0.01)
        busy.go.set()
        assert Counter([bytes((await call).body) for call in held]) == {b"a": 4, b"b": 4}


async def test_calls_that_wait_for_a_connection_count_as_load() -> None:
    # The listen queue takes connections, but nobody speaks TLS: the calls are under way, on no connection yet.
    with socket.create_server(("127.0.0.1", 0)) as silent:
        async with asyncio.timeout(SOON), RawUpstream(B, tls=server_context(pki()[1])) as good:
            targets = [f"https://127.0.0.1:{port}" for port in (silent.getsockname()[1], good.port)]
            settings = {"targets": targets, "balance": "least_requests", "tls": {"ca": "ca.crt"}}
            async with serving(B, upstream=settings) as rig:
                calls = [asyncio.create_task(rig.call()) for _ in range(2)]
                done, stuck = await asyncio.wait(calls, timeout=1)
                assert (len(done), len(stuck)) == (1, 1)
                assert {(await rig.call()).status for _ in range(5)} == {200}
                for call in stuck:
                    call.cancel()


async def by_key(rig: Any, header: str = "X_Company") -> dict[str, bytes]:
    return {key: next(iter(await rig.bodies(1, asking(**{header: key})))) for key in KEYS}


async def test_a_hash_sticks_and_moves_only_the_keys_of_a_dead_target() -> None:
    settings = {"balance": "hash", "hash_header": "X-Company", **QUICK}
    async with asyncio.timeout(SOON), several(A, B, C, **settings) as rig:
        before = await by_key(rig)
        assert set(before.values()) == {b"a", b"b", b"c"}
        assert await by_key(rig, "x_cOMPANY") == before
        await rig.targets[0].stop()
        during = await by_key(rig)
        assert b"a" not in during.values()
        assert {key for key in KEYS if during[key] != before[key]} == {key for key in KEYS if before[key] == b"a"}
        async with rig.targets[0]:
            await asyncio.sleep(0.25)
            assert await by_key(rig) == before


async def test_calls_without_the_header_take_turns() -> None:
    async with asyncio.timeout(SOON), several(A, B, balance="hash", hash_header="X-Company") as rig:
        assert await rig.bodies(6) == {b"a": 3, b"b": 3}


async def test_the_fallback_is_asked_only_while_no_primary_is_usable() -> None:
    async with asyncio.timeout(SOON), several(A, B, C, fallback=1, **QUICK) as rig:
        assert set(await rig.bodies(6)) == {b"a", b"b"}
        await rig.targets[0].stop()
        assert set(await rig.bodies(6)) == {b"b"}
        await rig.targets[1].stop()
        assert set(await rig.bodies(6)) == {b"c"}
        async with rig.targets[0]:
            # It may have been asked and ejected once more since it stopped.
            while await rig.bodies(1) != {b"a": 1}:
                await asyncio.sleep(0.05)
            assert set(await rig.bodies(6)) == {b"a"}


async def test_a_single_primary_with_a_fallback() -> None:
    async with asyncio.timeout(SOON), several(A, B, fallback=1, **QUICK) as rig:
        assert await rig.bodies(3) == {b"a": 3}
        await rig.targets[0].stop()
        assert await rig.bodies(3) == {b"b": 3}


async def test_connections_to_a_single_target_are_not_chosen_at_all() -> None:
    async with serving(A) as rig:
        assert rig.app._compiled.upstreams["back"].targets is None


# Names that lead elsewhere.


async def test_kept_connections_follow_dns(monkeypatch: pytest.MonkeyPatch) -> None:
    address, connect = "127.0.0.1", dial._connect

    async def moving(origin: Origin) -> socket.socket:
        return await connect(replace(origin, host=address))

    monkeypatch.setattr(dial, "_connect", moving)
    async with asyncio.timeout(SOON), RawUpstream(A) as old:
        new = RawUpstream(B, host="127.0.0.2")
        new.port = old.port
        async with new:
            settings = {"targets": [f"http://moving.test:{old.port}"], "pool": {"max_age": "300ms"}}
            async with serving(A, upstream=settings) as rig:
                assert [bytes((await rig.call()).body) for _ in range(3)] == [b"a"] * 3
                assert len(old.connections) == 1
                address = "127.0.0.2"
                await asyncio.sleep(0.35)
                # One call at most finds a connection that has grown too old while it was idle.
                bodies = [bytes((await rig.call()).body) for _ in range(3)]
                assert bodies[1:] == [b"b", b"b"]
                assert len(new.connections) == 1


async def test_connections_of_any_age_are_kept_where_that_is_wanted() -> None:
    async with asyncio.timeout(SOON), serving(A, upstream={"pool": {"max_age": 0}}) as rig:
        await rig.call()
        await asyncio.sleep(0.1)
        await rig.call()
    assert len(rig.upstream.connections) == 1
