"""All bodies together that are held back are bounded, and counted from their first byte until they are let go."""

import asyncio
import gc
import hashlib
import hmac
import resource
import time
from asyncio import StreamWriter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml

from broker import compile_credentials
from broker.policy.held_bodies import HeldBodies, HeldShare
from broker.testing.raw import RawResponse, RawUpstream
from broker.testing.raw.reader import RawReader, read_body, read_head
from broker.upstream import spool
from broker.upstream.spool import Held

StartBroker = Callable[..., Awaitable[Any]]
SOON = 20.0
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
SMALL, LARGE = b"s" * 10_000, b"l" * 300_000
HOLDING = {"http": {"request_body": "content_length", "buffer": "64KiB", "spool": "1MiB"}}
MANNERS: dict[str, dict[str, Any]] = {
    "for its length": {"upstream": HOLDING},
    "for another attempt": {"upstream": {"retry": {"on": ["503", "reset"]}}, "route": {"idempotent": True}},
    "for a login": {"route": {"credentials": {"type": "digest", "username": "env:NAME", "password": "env:WORD"}}},
    "for its signature": {
        "callers": {"signed": {"type": "hmac", "secret": "env:WORD", "once": False}},
        "route": {"callers": ["signed"]},
    },
}
MANNERS["for all of them"] = {
    "upstream": {**HOLDING, **MANNERS["for another attempt"]["upstream"]},
    "callers": MANNERS["for its signature"]["callers"],
    "route": {"idempotent": True, "callers": ["signed"], **MANNERS["for a login"]["route"]},
}


async def script(reader: RawReader, writer: StreamWriter) -> None:
    while head := await read_head(reader):
        if head.startswith(b"PUT /hangs-up"):
            await reader.some()
            writer.transport.abort()
            return
        if head.startswith(b"PUT /says-no"):
            writer.write(OK.replace(b"200 OK", b"403 No\r\nConnection: close"))
            return
        if head.startswith(b"PUT /stalls"):
            await asyncio.sleep(SOON)
        await read_body(reader, head)
        busy = head.startswith(b"PUT /is-busy")
        writer.write(OK.replace(b"200 OK", b"503 No") if busy else OK)
        await writer.drain()


def request(path: bytes, body: bytes, *, chunked: bool = False) -> bytes:
    stamp = b"%d" % time.time()
    made = hmac.new(b"word", stamp + b"." + body, hashlib.sha256).hexdigest().encode()
    signed = b"X-Timestamp: %b\r\nX-Signature: %b\r\n" % (stamp, made)
    framing = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % len(body)
    sent = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if chunked else body
    return b"PUT /%b HTTP/1.1\r\nHost: localhost\r\n%b%b\r\n\r\n%b" % (path, signed, framing, sent)


async def call(running: Any, path: bytes, body: bytes = SMALL, *, chunked: bool = False) -> RawResponse:
    answer: RawResponse = await running.ask(request(path, body, chunked=chunked), "PUT")
    return answer


def budget_of(running: Any) -> HeldBodies:
    held: HeldBodies = running.app._compiled.registry.held_bodies
    return held


async def until_nothing_is_held(running: Any) -> None:
    while budget_of(running).used:
        await asyncio.sleep(0.01)


@pytest.fixture
async def legacy() -> AsyncIterator[RawUpstream]:
    async with RawUpstream(script) as running:
        yield running


@pytest.fixture
def peaks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """What was held, each time that it grew."""
    seen: list[int] = []
    grow = HeldShare.grow

    def watched(share: HeldShare, size: int) -> None:
        grow(share, size)
        seen.append(share._held.used)

    monkeypatch.setattr(HeldShare, "grow", watched)
    return seen


async def leaves(running: Any, whole: bytes, how: str, *, after: int) -> None:
    """A caller that sends so many bytes and goes."""
    async with running.client() as caller:
        await caller.send(whole[:after])
        await asyncio.sleep(0.02)
        with suppress(OSError):
            await getattr(caller, how)()


@pytest.mark.parametrize("manner", MANNERS)
async def test_nothing_counts_after_all_calls_ended_whatever_became_of_them(
    manner: str, broker: StartBroker, legacy: RawUpstream, peaks: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compile_credentials, "LIMITS", compile_credentials.HoldLimits(64 << 10, 1 << 26))
    running = await broker(legacy.port, env={"NAME": "name", "WORD": "word"}, **MANNERS[manner])
    async with asyncio.timeout(SOON):
        going = []
        for body in SMALL, LARGE:
            for chunked in True, False:
                for path in b"works", b"is-busy", b"hangs-up", b"says-no":
                    going.append(call(running, path, body, chunked=chunked))
                for path in b"works", b"stalls":
                    whole = request(path, body, chunked=chunked)
                    for after in len(whole) // 2, len(whole) - 1, len(whole):
                        going += [leaves(running, whole, how, after=after) for how in ("close", "abort")]
        await asyncio.gather(*going, return_exceptions=True)
        await until_nothing_is_held(running)
        assert max(peaks) >= len(SMALL)
        assert (await call(running, b"works", LARGE)).status == 200
        await until_nothing_is_held(running)


@pytest.mark.parametrize("manner", MANNERS)
async def test_a_body_without_room_is_refused_and_no_other_is_harmed(
    manner: str, broker: StartBroker, legacy: RawUpstream
) -> None:
    tight = {"limits": {"held_bodies": "100KiB"}, "env": {"NAME": "name", "WORD": "word"}}
    running = await broker(legacy.port, **tight, **MANNERS[manner])
    async with asyncio.timeout(SOON), running.client() as waiting:
        whole = request(b"works", SMALL, chunked="length" in manner)
        await waiting.send(whole[:-100])
        while not budget_of(running).used:
            await asyncio.sleep(0.01)
        refused = await call(running, b"works", b"n" * 100_000, chunked="length" in manner)
        assert (refused.status, refused.headers("broker-error")) == (503, [b"overloaded"])
        assert int(refused.headers("retry-after")[0]) >= 1
        assert b"holds back as many request bodies as it may" in refused.body
        await waiting.send(whole[-100:])
        assert (await waiting.recv_response("PUT")).status == 200
        await until_nothing_is_held(running)
        assert (await call(running, b"works")).status == 200


KEYED = {"for its key": {}, "for its key and its length": {"upstream": HOLDING}}


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("manner", [*MANNERS, *KEYED])
async def test_a_body_that_never_fits_is_not_told_to_come_back(
    manner: str, chunked: bool, broker: StartBroker, legacy: RawUpstream
) -> None:
    tight = {"limits": {"held_bodies": "100KiB"}, "env": {"NAME": "name", "WORD": "word"}}
    running = await broker(legacy.port, **tight, **{**MANNERS, **KEYED}[manner])
    whole = request(b"works", LARGE, chunked=chunked)
    if manner in KEYED:
        whole = whole.replace(b"\r\n", b"\r\nIdempotency-Key: k\r\n", 1)
    streams = manner == ("for another attempt" if chunked else "for its length")
    async with asyncio.timeout(SOON):
        answer = await running.ask(whole, "PUT")
        assert (answer.status, answer.headers("broker-error")) == ((200, []) if streams else (413, [b"body_too_large"]))
        assert answer.headers("retry-after") == []
        assert streams or b"102400 bytes (limits.held_bodies)" in answer.body
        assert len(legacy.connections) == streams
        await until_nothing_is_held(running)


@pytest.mark.parametrize("manner", [*sorted({*MANNERS} - {"for its length"}), *KEYED])
async def test_a_length_that_never_fits_is_refused_before_the_body_has_come(
    manner: str, broker: StartBroker, legacy: RawUpstream
) -> None:
    tight = {"limits": {"held_bodies": "100KiB"}, "env": {"NAME": "name", "WORD": "word"}}
    running = await broker(legacy.port, **tight, **{**MANNERS, **KEYED}[manner])
    more = b"\r\nIdempotency-Key: k\r\n" if manner in KEYED else b"\r\n"
    head = request(b"works", LARGE)[: -len(LARGE)].replace(b"\r\n", more, 1)
    assert (await running.ask(head, "PUT")).status == 413


async def test_a_reload_changes_the_limit_and_keeps_the_count(broker: StartBroker, legacy: RawUpstream) -> None:
    running = await broker(legacy.port, upstream=HOLDING)
    path: Path = running.app._path
    async with asyncio.timeout(SOON), running.client() as caller:
        whole = request(b"works", SMALL, chunked=True)
        await caller.send(whole[:-100])
        while not budget_of(running).used:
            await asyncio.sleep(0.01)
        counted = budget_of(running).used
        path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), "limits": {"held_bodies": "15000B"}}))
        assert (await running.app.reload("test")).outcome == "success"
        assert (budget_of(running).used, budget_of(running).most) == (counted, 15_000)
        assert (await call(running, b"works", chunked=True)).status == 503
        await caller.send(whole[-100:])
        assert (await caller.recv_response("PUT")).status == 200
        assert (await call(running, b"works", chunked=True)).status == 200
        await until_nothing_is_held(running)


@pytest.mark.parametrize(("number", "status"), [(28, 503), (122, 503), (27, 503), (13, 500)])
async def test_a_disk_that_takes_nothing_is_said_to_the_call_and_to_the_log(
    number: int,
    status: int,
    broker: StartBroker,
    legacy: RawUpstream,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
) -> None:
    monkeypatch.setattr(spool.tempfile, "tempdir", str(tmp_path))
    made = spool.tempfile.TemporaryFile

    class Full:
        """A file that can be opened, and no more: what is written comes out when it is closed."""

        def __init__(self) -> None:
            self.file = made()

        def write(self, _: bytes) -> int:
            raise OSError(number, "the disk says no")

        def close(self) -> None:
            self.file.close()
            raise OSError(number, "the disk says no")

    running = await broker(legacy.port, upstream=HOLDING)
    async with asyncio.timeout(SOON):
        with monkeypatch.context() as patch:
            patch.setattr(spool.tempfile, "TemporaryFile", Full)
            refused = await call(running, b"works", LARGE, chunked=True)
            assert (await call(running, b"works", SMALL, chunked=True)).status == 200
        assert refused.status == status
        assert bool(refused.headers("retry-after")) is (status == 503)
        assert str(tmp_path).encode() not in refused.body
        [logged] = [record for record in caplog.records if getattr(record, "cause", "")]
        assert f"{tmp_path}: " in logged.cause
        await until_nothing_is_held(running)
        assert (await call(running, b"works", LARGE, chunked=True)).status == 200


async def test_a_file_that_may_not_grow_is_a_full_disk(broker: StartBroker, legacy: RawUpstream) -> None:
    running = await broker(legacy.port, upstream=HOLDING)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        refused = await call(running, b"works", LARGE, chunked=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (refused.status, refused.headers("broker-error")) == (503, [b"overloaded"])
    assert b"no room left" in refused.body
    assert (await call(running, b"works", LARGE, chunked=True)).status == 200
    await until_nothing_is_held(running)


@pytest.mark.parametrize("manner", MANNERS)
@pytest.mark.parametrize("path", [b"hangs-up", b"is-busy"])
async def test_what_failed_is_freed_without_the_garbage_collector(
    manner: str, path: bytes, broker: StartBroker, legacy: RawUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What is logged is kept for the test's report, and the error with it.
    monkeypatch.setattr("broker.pipeline.log_failure", lambda *_: None)
    running = await broker(legacy.port, env={"NAME": "name", "WORD": "word"}, **MANNERS[manner])
    gc.collect()
    gc.disable()
    try:
        async with asyncio.timeout(SOON):
            assert (await call(running, path, chunked="length" in manner)).status in (502, 503)
            while any(isinstance(each, Held) for each in gc.get_objects()):
                await asyncio.sleep(0.05)
    finally:
        gc.enable()
