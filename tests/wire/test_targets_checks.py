"""Health checks take a target out that they find down, and bring it back; nothing of a call is in them."""

import asyncio
from asyncio import StreamWriter
from typing import Any

import pytest
import yaml
from rig import GET, pki, serving
from several import code, says, several

from broker.testing.contexts import server_context
from broker.testing.pki import Authority
from broker.testing.raw.reader import RawReader, read_request
from broker.testing.raw.upstream import RawUpstream
from broker.upstream.checks import Checks
from broker.upstream.origin import Origin

SOON = 20.0
A, B = says(b"a"), says(b"b")
BUSY = says(b"busy", b"503 Service Unavailable")
OFTEN: dict[str, Any] = {"interval": "20ms", "timeout": "200ms", "rise": 2, "fall": 2}


async def until(condition: Any) -> None:
    while not condition():
        await asyncio.sleep(0.01)


class Moody:
    """A target whose answer changes, to health checks apart from calls."""

    def __init__(self, answer: bytes, health: bytes = b"") -> None:
        self.answer = answer
        self.health = health or says(b"fine")
        self.checks: list[bytes] = []
        self.calls = 0

    async def __call__(self, reader: RawReader, writer: StreamWriter) -> None:
        while request := await read_request(reader):
            if request.startswith(b"GET /health"):
                self.checks.append(request)
                writer.write(self.health)
            else:
                self.calls += 1
                writer.write(self.answer)
            await writer.drain()


async def test_a_check_takes_a_target_out_and_brings_it_back() -> None:
    one, two = Moody(A), Moody(B)
    async with asyncio.timeout(SOON), several(one, two, slow_start=0, health={"path": "/health?x=1", **OFTEN}) as rig:
        assert await rig.bodies(4) == {b"a": 2, b"b": 2}
        two.health = BUSY
        await until(lambda: rig.healthy() == [True, False])
        assert await rig.bodies(4) == {b"a": 4}
        two.health = says(b"fine")
        await until(lambda: rig.healthy() == [True, True])
        assert await rig.bodies(4) == {b"a": 2, b"b": 2}
        assert one.checks[0].startswith(b"GET /health?x=1 HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n" % rig.targets[0].port)


BAD = [
    ({}, says(b"", b"404 Not Found")),
    ({}, says(b"", b"302 Found")),
    ({"expect": [204]}, says(b"")),
    ({"body": "all is well"}, says(b"maintenance")),
    ({"body": "all is well"}, says(b"")),
    ({"body": "far"}, says(b"x" * 70_000 + b"far")),
    ({}, b"nonsense\r\n\r\n"),
    ({}, b"HTTP/1.1 200 OK\r\nContent-Len"),
]


@pytest.mark.parametrize(("check", "answer"), BAD)
async def test_a_bad_answer_to_a_check(check: dict[str, Any], answer: bytes) -> None:
    target = Moody(A, answer)
    async with asyncio.timeout(SOON), several(target, health={"path": "/health", **OFTEN, **check}) as rig:
        await until(lambda: rig.healthy() == [False])
        refused = await rig.rig.call()
        assert code(refused) == (503, b"circuit_open")
        assert refused.headers("retry-after") == [b"1"]
        assert target.calls == 0


@pytest.mark.parametrize("more", [b"", b'SOAPAction: "quote"\r\n'])
async def test_while_checks_fail_calls_are_told_when_they_may_succeed_again(more: bytes) -> None:
    health = {"path": "/health", "interval": "2s", "rise": 3, "fall": 1}
    async with asyncio.timeout(SOON), several(Moody(A, BUSY), health=health) as rig:
        await until(lambda: rig.healthy() == [False])
        refused = await rig.rig.call(GET[:-2] + more + b"\r\n")
        assert int(refused.headers("retry-after")[0]) in (4, 6)
        assert b"fails its health checks" in refused.body
        assert b"resting" not in refused.body


GOOD = [
    ({"expect": [200, 204]}, b"HTTP/1.1 204 No Content\r\n\r\n"),
    ({"body": "all is well"}, says(b"today, all is well here")),
    ({"expect": [503]}, BUSY),
    ({}, b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 9\r\n\r\nfine"),
    ({"body": "fine"}, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nfi\r\n2\r\nne\r\n0\r\n\r\n"),
]


@pytest.mark.parametrize(("check", "answer"), GOOD)
async def test_a_good_answer_to_a_check(check: dict[str, Any], answer: bytes) -> None:
    target = Moody(A, answer)
    async with asyncio.timeout(SOON), several(target, health={"path": "/health", **OFTEN, **check}) as rig:
        await until(lambda: len(target.checks) > 5)
        assert rig.healthy() == [True]
        assert rig.rig.pooled() == (0, 0)


async def test_checks_use_connections_of_their_own_one_at_a_time() -> None:
    now = most = 0

    async def slow(reader: RawReader, writer: StreamWriter) -> None:
        nonlocal now, most
        request = await read_request(reader)
        if not request.startswith(b"GET /health"):
            writer.write(A)
            return
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.06)
        now -= 1
        writer.write(says(b"ok"))

    async with asyncio.timeout(SOON), several(slow, health={"path": "/health", **OFTEN}) as rig:
        await rig.bodies(3)
        await until(lambda: len(rig.targets[0].connections) > 8)
        assert {len(connection.requests) for connection in rig.targets[0].connections} <= {0, 1}
        assert most == 1
        assert rig.healthy() == [True]


async def test_a_check_that_gets_no_answer_in_time_is_bad() -> None:
    async def silent(reader: RawReader, writer: StreamWriter) -> None:
        await reader.some()
        await asyncio.sleep(SOON)

    health = {"path": "/health", **OFTEN, "timeout": "50ms"}
    async with asyncio.timeout(SOON), several(silent, health=health) as rig:
        await until(lambda: rig.healthy() == [False])


async def test_without_a_path_a_connection_is_enough() -> None:
    async with asyncio.timeout(SOON), several(A, B, slow_start=0, health=OFTEN) as rig:
        await until(lambda: len(rig.targets[1].connections) > 3)
        assert rig.healthy() == [True, True]
        assert rig.asked() == [0, 0]
        await rig.targets[1].stop()
        await until(lambda: rig.healthy() == [True, False])
        async with rig.targets[1]:
            await until(lambda: rig.healthy() == [True, True])


async def test_without_a_path_https_is_checked_with_tls() -> None:
    good, stranger = server_context(pki()[1]), server_context(Authority.create().issue())
    settings = {"tls": {"ca": "ca.crt"}, "health": OFTEN, "slow_start": 0}
    async with asyncio.timeout(SOON), several(A, server_tls=good, **settings) as rig:
        await until(lambda: len(rig.targets[0].connections) > 3)
        assert rig.healthy() == [True]
    async with asyncio.timeout(SOON), several(A, server_tls=stranger, **settings) as rig:
        await until(lambda: rig.healthy() == [False])
    async with asyncio.timeout(SOON), RawUpstream(A) as plain:
        settings = {"targets": [f"https://127.0.0.1:{plain.port}"], **settings}
        async with serving(A, upstream=settings) as one:
            upstream = one.app._compiled.upstreams["back"]
            await until(lambda: list(upstream.healthy().values()) == [False])


async def test_checks_say_the_host_that_calls_say() -> None:
    target = Moody(A)
    settings = {"health": {"path": "/health", **OFTEN}, "host_header": "erp.example.test"}
    async with asyncio.timeout(SOON), several(target, **settings):
        await until(lambda: target.checks)
    assert b"\r\nHost: erp.example.test\r\n" in target.checks[0]


async def test_checks_are_spoken_in_the_version_of_the_service() -> None:
    target = Moody(A)
    settings = {"health": {"path": "/health", **OFTEN}, "http": {"version": "1.0"}}
    async with asyncio.timeout(SOON), several(target, **settings):
        await until(lambda: target.checks)
    assert target.checks[0].startswith(b"GET /health HTTP/1.0\r\n")


async def test_the_fallback_takes_over_when_checks_fail() -> None:
    one, two = Moody(A), Moody(B)
    async with asyncio.timeout(SOON), several(one, two, fallback=1, health={"path": "/health", **OFTEN}) as rig:
        assert await rig.bodies(3) == {b"a": 3}
        one.health = BUSY
        await until(lambda: rig.healthy() == [False, True])
        assert await rig.bodies(3) == {b"b": 3}


async def test_a_surprise_in_one_check_ends_no_other(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    one, two = Moody(A), Moody(B)
    surprised = 0
    ask = Checks._ask

    async with asyncio.timeout(SOON), several(one, two, slow_start=0, health={"path": "/health", **OFTEN}) as rig:
        port = rig.targets[1].port

        async def surprising(checks: Checks, origin: Origin) -> str:
            nonlocal surprised
            if origin.port == port:
                surprised += 1
                raise ZeroDivisionError("what nobody thought of")
            return await ask(checks, origin)

        with monkeypatch.context() as patch:
            patch.setattr(Checks, "_ask", surprising)
            await until(lambda: rig.healthy() == [True, False])
            made, before = len(one.checks), surprised
            await until(lambda: len(one.checks) > made + 2 and surprised > before + 2)
        await until(lambda: rig.healthy() == [True, True])
    [first, *_] = [vars(record) for record in caplog.records if "health_check_failed" in vars(record).values()]
    assert isinstance(first["exc_info"][1], ZeroDivisionError)


async def test_checks_end_with_the_upstream() -> None:
    target = Moody(A)
    async with asyncio.timeout(SOON), RawUpstream(target) as back:
        settings = {"targets": [f"http://127.0.0.1:{back.port}"], "health": {"path": "/health", **OFTEN}}
        async with serving(A, upstream=settings):
            await until(lambda: len(target.checks) > 2)
        seen = len(target.checks)
        await asyncio.sleep(0.15)
        assert len(target.checks) <= seen + 1
    assert not [task for task in asyncio.all_tasks() if task.get_name() == "health-checks"]


async def test_a_check_sends_nothing_of_a_caller() -> None:
    target = Moody(A)
    async with asyncio.timeout(SOON), several(target, health={"path": "/health", **OFTEN}) as rig:
        await rig.rig.call(GET[:-2] + b"X-Company: usmf\r\nAuthorization: Basic eHg6eXk=\r\n\r\n")
        await until(lambda: len(target.checks) > 3)
    assert not [check for check in target.checks if b"uthorization" in check or b"X-" in check]


async def test_after_a_reload_only_the_new_checks_are_made() -> None:
    one, two = Moody(A), Moody(B, BUSY)
    async with asyncio.timeout(SOON), several(one, two, health={"path": "/health", **OFTEN}) as rig:
        await until(lambda: rig.healthy() == [True, False])
        await rig.reloaded(health={"path": "/health2", **OFTEN})
        assert rig.healthy() == [True, False]
        await until(lambda: one.checks[-1].startswith(b"GET /health2 "))
        seen = len(one.checks)
        await until(lambda: len(one.checks) > seen + 5)
        assert {check.split(b" ")[1] for check in one.checks[seen:]} == {b"/health2"}
        await rig.reloaded(health=None)
        assert rig.healthy() == [True, True]
        seen = len(one.checks)
        await asyncio.sleep(0.15)
        assert len(one.checks) <= seen + 1


async def test_the_checks_of_an_upstream_that_is_gone_end_at_once() -> None:
    """Its calls go on, and what was asked about its health is of no interest any more."""
    asked, answered = asyncio.Event(), asyncio.Event()

    async def script(reader: RawReader, writer: StreamWriter) -> None:
        if (await read_request(reader)).startswith(b"GET /health"):
            asked.set()
            await reader.some()
        else:
            await answered.wait()
            writer.write(A)

    slow = {"path": "/health", "interval": "100ms", "timeout": "60s"}
    async with asyncio.timeout(SOON), several(script, health=slow, timeouts={"first_byte": "60s"}) as rig:
        call = asyncio.create_task(rig.rig.call())
        await asked.wait()
        await until(lambda: rig.asked() == [2])
        path = rig.rig.app._path
        content = yaml.safe_load(path.read_text())
        content["upstreams"] = {"other": {"targets": ["http://127.0.0.1:9"]}}
        content["routes"][0]["upstream"] = "other"
        path.write_text(yaml.safe_dump(content))
        assert (await rig.rig.app.reload("test")).outcome == "success"
        [check] = [each for each in rig.targets[0].connections if b"/health" in each.received]
        await until(lambda: not check.open)
        answered.set()
        assert (await call).body == b"a"
