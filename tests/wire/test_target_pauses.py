"""A target that asks for a pause gets it, and the others go on."""

import asyncio
from typing import Any

from rig import GET
from several import Several, code, says, several

SOON = 20.0
A, B = says(b"a"), says(b"b")
RETRY: dict[str, Any] = {"retry": {"on": [503], "backoff": "10ms"}}


def later(seconds: int, status: bytes = b"503 Busy") -> bytes:
    return says(b"later", status).replace(b"\r\n\r\n", b"\r\nRetry-After: %d\r\n\r\n" % seconds)


async def refused(rig: Several) -> tuple[int, bytes, int]:
    answer = await rig.rig.call()
    return *code(answer), int(answer.headers("retry-after")[0])


async def test_the_other_target_goes_on() -> None:
    async with asyncio.timeout(SOON), several(later(30), B) as rig:
        assert await rig.bodies(8) == {b"later": 1, b"b": 7}
        assert rig.asked()[0] == 1


async def test_it_is_asked_again_when_its_time_has_passed() -> None:
    async with asyncio.timeout(SOON), several([later(1), A], B) as rig:
        await rig.bodies(4)
        await asyncio.sleep(1.05)
        assert await rig.bodies(4) == {b"a": 2, b"b": 2}


async def test_a_retry_goes_to_another_target_without_that_wait() -> None:
    async with asyncio.timeout(SOON), several(later(30), B, route={"deadline": "6s"}, **RETRY) as rig:
        assert await rig.bodies(6) == {b"b": 6}
        assert rig.asked() == [1, 6]


async def test_a_retry_waits_where_there_is_no_other() -> None:
    retry = {"retry": {**RETRY["retry"], "attempts": 3}}
    async with asyncio.timeout(SOON), several([later(1), A], [later(1), B], **retry) as rig:
        assert (await rig.rig.call()).status == 200
        assert sorted(rig.asked()) == [1, 2]


async def test_when_all_have_asked_for_it_the_soonest_counts() -> None:
    async with asyncio.timeout(SOON), several(later(30), later(10)) as rig:
        await rig.bodies(2)
        status, said, seconds = await refused(rig)
        assert (status, said) == (503, b"overloaded")
        assert 2 <= seconds <= 10
        assert rig.asked() == [1, 1]


async def test_one_that_is_down_is_no_reason_to_ask_one_that_pauses() -> None:
    settings = {"ejection": {"failures": 1, "time": "40s"}}
    async with asyncio.timeout(SOON), several(later(30), says(b"", b"502 Bad"), **settings) as rig:
        await rig.bodies(2)
        status, said, seconds = await refused(rig)
        assert (status, said) == (503, b"circuit_open")
        assert 30 < seconds <= 40
        assert rig.asked() == [1, 1]


async def test_the_fallback_is_asked_meanwhile() -> None:
    async with asyncio.timeout(SOON), several(later(30), B, fallback=1) as rig:
        assert await rig.bodies(4) == {b"later": 1, b"b": 3}


async def test_a_pause_outlives_a_reload() -> None:
    async with asyncio.timeout(SOON), several(later(30), B) as rig:
        await rig.bodies(2)
        await rig.reloaded(weights=[5, 1])
        assert await rig.bodies(4) == {b"b": 4}


async def test_a_429_is_the_callers_own_whatever_the_target() -> None:
    async with asyncio.timeout(SOON), several(later(30, b"429 Too Many"), later(30, b"429 Too Many")) as rig:
        assert (await rig.rig.call(GET)).status == 429
        assert (await refused(rig))[:2] == (503, b"overloaded")
        assert sum(rig.asked()) == 1


async def test_a_login_of_the_callers_own_is_no_reason_to_ask_one_that_pauses() -> None:
    login = GET[:-2] + b"Authorization: NTLM TlRMTVNTUAAB\r\n\r\n"
    async with asyncio.timeout(SOON), several([A, later(30)], B) as rig, rig.rig.caller() as caller:
        bodies = []
        for request in (login, GET, GET):
            await caller.send(request)
            bodies.append((await caller.recv_response()).body)
    assert bodies == [b"a", b"later", b"b"]
