"""A target whose calls fail is found out, passed over, and taken back step by step."""

import asyncio
from asyncio import StreamWriter
from contextlib import suppress
from typing import Any

import pytest
from rig import serving
from several import code, says, several

from broker.core.errors import BrokerError
from broker.testing.raw.reader import RawReader

SOON = 20.0
A, B = says(b"a"), says(b"b")
BUSY = says(b"busy", b"503 Service Unavailable")
QUICK: dict[str, Any] = {"ejection": {"failures": 2, "time": "300ms"}, "slow_start": 0}


async def test_a_target_that_dies_is_passed_over_and_comes_back() -> None:
    settings = {"ejection": {"failures": 2, "time": "1s"}, "slow_start": 0}
    async with asyncio.timeout(SOON), several(A, B, **settings) as rig:
        assert await rig.bodies(4) == {b"a": 2, b"b": 2}
        await rig.targets[1].stop()
        assert await rig.bodies(8) == {b"a": 8}
        assert rig.healthy() == [True, False]
        retries = rig.upstream.stats.retries["connect_failed"]
        assert await rig.bodies(8) == {b"a": 8}
        assert rig.upstream.stats.retries["connect_failed"] == retries == 2
        async with rig.targets[1]:
            await asyncio.sleep(1.05)
            assert rig.healthy() == [True, True]
            assert await rig.bodies(4) == {b"a": 2, b"b": 2}


async def test_ejection_is_on_where_there_are_several_targets_only() -> None:
    async with asyncio.timeout(SOON), several(A, BUSY) as rig:
        await rig.bodies(6)
        assert rig.healthy() == [True, False]
        assert await rig.bodies(6) == {b"a": 6}
    async with asyncio.timeout(SOON), serving(BUSY) as rig:
        assert [code(await rig.call()) for _ in range(6)] == [(503, b"")] * 6


async def test_ejection_can_be_switched_off() -> None:
    async with asyncio.timeout(SOON), several(A, BUSY, ejection={"failures": 0}) as rig:
        assert await rig.bodies(20) == {b"a": 10, b"busy": 10}


@pytest.mark.parametrize(("status", "stays"), [(b"500 No", True), (b"429 No", True), (b"502 No", False)])
async def test_only_answers_that_say_that_the_service_is_not_there_eject(status: bytes, stays: bool) -> None:
    async with asyncio.timeout(SOON), several(A, says(b"x", status), **QUICK) as rig:
        await rig.bodies(8)
        assert rig.healthy() == [True, stays]


async def test_a_target_that_does_not_answer_is_ejected() -> None:
    async def silent(reader: RawReader, writer: StreamWriter) -> None:
        await reader.some()
        await asyncio.sleep(SOON)

    async with asyncio.timeout(SOON), several(A, silent, timeouts={"first_byte": "50ms"}, **QUICK) as rig:
        assert await rig.rig.call()
        await rig.bodies(4)
        assert await rig.bodies(4) == {b"a": 4}


async def test_failures_that_are_not_in_a_row_eject_nobody() -> None:
    async with asyncio.timeout(SOON), several(A, [BUSY, B] * 6 + [B], **QUICK) as rig:
        assert (await rig.bodies(20))[b"busy"] >= 4
        assert rig.healthy() == [True, True]


async def test_the_share_of_a_target_that_comes_back_grows_slowly() -> None:
    settings = {"ejection": {"failures": 1, "time": "100ms"}, "slow_start": "3s"}
    async with asyncio.timeout(SOON), several(A, [BUSY, B], **settings) as rig:
        await rig.bodies(2)
        assert rig.healthy() == [True, False]
        await asyncio.sleep(0.15)
        assert rig.healthy() == [True, True]
        early = (await rig.bodies(40))[b"b"]
        assert early <= 12
        await asyncio.sleep(3)
        assert 19 <= (await rig.bodies(40))[b"b"] <= 21


async def test_when_all_are_down_that_is_said_at_once_and_for_how_long() -> None:
    settings = {"ejection": {"failures": 1, "time": "5s"}}
    async with asyncio.timeout(SOON), several(BUSY, BUSY, **settings) as rig:
        await rig.bodies(2)
        refused = await rig.rig.call()
        assert code(refused) == (503, b"circuit_open")
        assert 4 <= int(refused.headers("retry-after")[0]) <= 6
        assert rig.asked() == [1, 1]


async def test_when_no_target_takes_a_connection_the_first_call_says_so() -> None:
    async with asyncio.timeout(SOON), several(A, B) as rig:
        for target in rig.targets:
            await target.stop()
        assert [code(await rig.rig.call()) for _ in range(4)] == [(502, b"upstream_connect_failed")] * 3 + [
            (503, b"circuit_open")
        ]


async def test_variants_share_what_is_known() -> None:
    async with asyncio.timeout(SOON), several(A, B, **QUICK) as rig:
        await rig.targets[1].stop()
        await rig.bodies(4)
        variant = rig.upstream.variant()
        ports = {(await variant.lease(certain=True)).pool.origin.port for _ in range(6)}
        assert ports == {rig.targets[0].port}
        assert rig.upstream.stats.retries["connect_failed"] == 2
        await rig.targets[0].stop()
        for _ in range(2):
            with suppress(BrokerError):
                await variant.lease(certain=True, fresh=True)
        assert rig.healthy() == [False, False]
        assert code(await rig.rig.call()) == (503, b"circuit_open")


async def test_the_load_of_variants_counts() -> None:
    async with asyncio.timeout(SOON), several(A, B, balance="least_requests") as rig:
        variant = rig.upstream.variant()
        lease = await variant.lease(certain=True)
        other = {rig.targets[0].port: b"b", rig.targets[1].port: b"a"}[lease.pool.origin.port]
        assert await rig.bodies(5) == {other: 5}


async def test_a_reload_goes_on_with_what_calls_showed() -> None:
    settings = {"ejection": {"failures": 1, "time": "5s"}}
    async with asyncio.timeout(SOON), several(A, BUSY, **settings) as rig:
        await rig.bodies(2)
        await rig.reloaded(weights=[1, 5])
        assert rig.healthy() == [True, False]
        assert await rig.bodies(6) == {b"a": 6}
