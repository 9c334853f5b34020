"""How often a call goes out in all: `retry.attempts` counts every way in which it is made again."""

import asyncio
from asyncio import StreamWriter
from typing import Any

import pytest
from rig import GET, serving

from broker.testing.raw.reader import RawReader, read_request
from broker.testing.windows_auth import Iis, User, accounts, connection

SOON = 20.0
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
HEAD = GET.replace(b"GET", b"HEAD")
PUT = b"PUT /thing HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc"
POST = PUT.replace(b"PUT", b"POST")


class Dying:
    """Answers the first requests, all at a time, and cuts the connection of each later one before an answer begins."""

    def __init__(self, answers: int) -> None:
        self.answers = answers
        self.together = asyncio.Barrier(max(answers, 1))
        self.deliveries: list[bytes] = []

    async def __call__(self, reader: RawReader, writer: StreamWriter) -> None:
        while request := await read_request(reader):
            if not self.answers:
                self.deliveries.append(request)
                writer.transport.abort()
                return
            await self.together.wait()
            self.answers -= 1
            writer.write(OK)
            await writer.drain()


def retry(attempts: int, *on: str) -> dict[str, Any]:
    return {"retry": {"attempts": attempts, "on": [*on], "budget": "100%", "backoff": "1ms"}}


async def deliveries(warm: int, upstream: dict[str, Any], request: bytes = GET, **route: Any) -> int:
    """How often a request reaches the service, so many connections to which are kept."""
    service = Dying(warm)
    async with asyncio.timeout(SOON), serving(service, upstream=upstream, route=route) as rig:
        await asyncio.gather(*(rig.call() for _ in range(warm)))
        assert rig.pooled() == (warm, 0)
        answer = await rig.call(request)
        assert (answer.status, answer.headers("broker-error")) == (502, [b"upstream_protocol_error"])
        assert len(set(service.deliveries)) == 1
        return len(service.deliveries)


@pytest.mark.parametrize("attempts", [2, 3, 4])
@pytest.mark.parametrize("warm", [0, 1, 4])
async def test_a_safe_request_is_delivered_as_often_as_it_may_be(attempts: int, warm: int) -> None:
    assert await deliveries(warm, retry(attempts, "connect_failed", "reset")) == attempts


async def test_a_head_counts_as_a_get_does() -> None:
    assert await deliveries(1, retry(2, "reset"), HEAD) == 2


@pytest.mark.parametrize("upstream", [{}, retry(1, "reset"), retry(3, "connect_failed"), retry(3, "503")])
async def test_one_repeat_on_a_new_connection_needs_no_setting(upstream: dict[str, Any]) -> None:
    assert await deliveries(1, upstream) == 2
    assert await deliveries(4, upstream) == 2


@pytest.mark.parametrize("upstream", [{}, retry(1, "reset"), retry(3, "connect_failed", "reset", "503")])
async def test_what_is_not_safe_is_delivered_once(upstream: dict[str, Any]) -> None:
    assert await deliveries(1, upstream, POST) == 1
    assert await deliveries(1, upstream, idempotent=False) == 1


@pytest.mark.parametrize("attempts", [2, 3])
async def test_what_is_said_to_be_harmless_is_delivered_as_often_as_it_may_be(attempts: int) -> None:
    assert await deliveries(4, retry(attempts, "reset"), PUT) == attempts
    assert await deliveries(4, retry(attempts, "reset"), POST, idempotent=True) == attempts


async def test_the_repeat_is_an_attempt_of_a_call_with_a_credential_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORD", "word")
    credential = {"type": "digest", "username": "name", "password": "env:WORD"}
    assert await deliveries(1, retry(2, "reset"), credentials=credential) == 2
    assert await deliveries(1, {}, credentials=credential) == 2


@pytest.mark.parametrize("upstream", [{}, retry(2, "reset"), retry(1, "reset")])
async def test_a_login_on_the_connection_makes_no_more_of_them(
    upstream: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behind the steps of a login every connection is a kept one."""
    monkeypatch.setenv("WORD", "s3cret-of-anna")
    credential = {"type": "ntlm", "username": r"CORP\anna", "password": "env:WORD"}
    delivered = 0
    write = connection.Connection._write

    def dying(self: connection.Connection, reply: connection.Reply, **given: bool) -> None:
        nonlocal delivered
        if reply.status != 200:
            write(self, reply, **given)
            return
        delivered += 1
        self.abort()

    with accounts([User("CORP", "anna", "s3cret-of-anna")]) as users:
        async with asyncio.timeout(SOON), Iis(users) as iis:
            settings = {"targets": [f"http://127.0.0.1:{iis.port}"], **upstream}
            async with serving(b"", upstream=settings, route={"credentials": credential}) as rig:
                assert (await rig.call()).status == 200
                monkeypatch.setattr(connection.Connection, "_write", dying)
                answer = await rig.call()
    assert (answer.status, answer.headers("broker-error")) == (502, [b"upstream_protocol_error"])
    assert delivered == 2


async def test_the_repeat_that_succeeds_is_counted_and_asks_for_no_budget() -> None:
    answered = 0

    async def script(reader: RawReader, writer: StreamWriter) -> None:
        nonlocal answered
        await read_request(reader)
        answered += 1
        writer.write(OK)
        if answered == 1:
            await read_request(reader)
            writer.transport.abort()

    settings = {"retry": {"attempts": 2, "on": ["reset"], "budget": "0%"}}
    async with asyncio.timeout(SOON), serving(script, upstream=settings) as rig:
        assert (await rig.call()).status == 200
        assert (await rig.call()).status == 200
        assert rig.app._compiled.upstreams["back"].stats.retries == {"stale_connection": 1}  # type: ignore[union-attr]
