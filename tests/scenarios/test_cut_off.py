"""Calls that outlast `drain_timeout`: each is told, or noted as, what is true of it."""

import asyncio
import json
from asyncio import StreamWriter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from scenario_reload import OK, PATIENCE, Place, get, reloading

from broker.testing.raw import RawClient, RawResponse
from broker.testing.raw.reader import RawReader, read_request

BEGUN = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"


async def script(reader: RawReader, writer: StreamWriter) -> None:
    """Answers `/half` by half, and anything else never."""
    if b" /half " in await read_request(reader):
        writer.write(BEGUN)
    await reader.some()


def settings(place: Place) -> None:
    document = place.document
    document["drain_timeout"] = "100ms"
    document["log"] = {"access": True}
    document["routes"] = [place.route("all", "/"), place.route("one", "/one", max_concurrency=1)]
    document["upstreams"]["back"]["queue"] = {"size": 1, "wait": "60s"}


@asynccontextmanager
async def calling(place: Place, *requests: bytes, listener: str = "in") -> AsyncIterator[list[RawClient]]:
    """Callers whose calls are under way, begun one after the other."""
    async with asyncio.timeout(PATIENCE), AsyncExitStack() as stack:
        callers = []
        for request in requests:
            callers.append(await stack.enter_async_context(place.caller(listener)))
            await callers[-1].send(request)
            while len(place.app._parts.calls()) < len(callers):
                await asyncio.sleep(0.01)
        yield callers


def told(answer: RawResponse) -> tuple[int, list[bytes], list[bytes], list[bytes]]:
    return answer.status, *(answer.headers(name) for name in ("broker-error", "retry-after", "connection"))


def logged(out: str) -> dict[str, tuple[Any, ...]]:
    entries = [json.loads(line) for line in out.splitlines()]
    return {entry["path"]: (entry["status"], entry["code"], entry["aborted"]) for entry in entries}


ASKED = (504, [b"drain_timeout"], [], [b"close"])
NOT_ASKED = (503, [b"overloaded"], [b"1"], [b"close"])


async def test_a_stop_tells_each_call_what_became_of_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    post = b"POST /post HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nhalf"
    async with reloading(tmp_path, script, settings) as (place, upstream):
        requests = get("/silent"), get("/half"), post, get("/one"), get("/one?queued")
        async with calling(place, *requests) as (silent, half, posting, one, queued):
            begun = asyncio.create_task(half.recv_response())
            while len(upstream.connections) < 4:
                await asyncio.sleep(0.01)
            headless = await AsyncExitStack().enter_async_context(place.caller())
            await headless.send(b"GET /")
            await place.app.drain(grace=False)
            assert told(await silent.recv_response()) == ASKED
            assert told(await posting.recv_response()) == ASKED
            assert told(await one.recv_response()) == ASKED
            assert told(await queued.recv_response()) == NOT_ASKED
            answer = await begun
            assert (answer.status, answer.body, answer.complete) == (200, b"half", False)
            assert await silent.recv_until_close() == b""
            assert await headless.recv_until_close() == b""
            await headless.close()
    tally = place.app.tallies.routes
    assert tally["all"].errors == {"drain_timeout": 3}
    assert tally["one"].errors == {"drain_timeout": 1, "overloaded": 1}
    assert tally["all"].requests == {(b"GET", 504): 1, (b"GET", 200): 1, (b"POST", 504): 1}
    seen = logged(capsys.readouterr().out)
    assert seen["/silent"] == seen["/post"] == (504, "drain_timeout", False)
    assert seen["/half"] == (200, "drain_timeout", True)


async def test_a_caller_that_leaves_during_the_drain_is_noted_as_gone(tmp_path: Path) -> None:
    def patient(place: Place) -> None:
        settings(place)
        place.document["drain_timeout"] = "30s"

    async with reloading(tmp_path, script, patient) as (place, _):
        async with calling(place, get("/silent")):
            stopping = asyncio.create_task(place.app.drain(grace=False))
            while not place.app.listeners["in"].draining:
                await asyncio.sleep(0.01)
        async with asyncio.timeout(PATIENCE):
            await stopping
    assert place.app.tallies.routes["all"].requests == {(b"GET", 499): 1}


async def test_a_removed_listener_tells_its_calls_and_disturbs_no_other(tmp_path: Path) -> None:
    def two(place: Place) -> None:
        settings(place)
        del place.document["upstreams"]["back"]["queue"]
        place.document["listeners"]["other"] = place.listener()
        place.document["routes"] = [place.route("all", "/", listener="in"), place.route("two", "/", listener="other")]

    async with reloading(tmp_path, script, two) as (place, _):
        async with calling(place, get("/silent"), listener="other") as (silent,):
            del place.document["listeners"]["other"], place.document["routes"][1]
            await place.reloaded()
            assert told(await silent.recv_response()) == ASKED
            assert await silent.recv_until_close() == b""
        async with asyncio.timeout(PATIENCE):
            while place.app._parts.leaving.listeners:
                await asyncio.sleep(0.01)
        assert place.app.tallies.routes["two"].requests == {(b"GET", 504): 1}
        async with place.caller() as caller:
            await caller.send(get("/half"))
            await caller.reader.exactly(12)


async def test_a_caller_that_takes_nothing_holds_no_stop_up(tmp_path: Path) -> None:
    """The upstream sends without end, and the caller reads none of it: reset, once its time is over."""

    async def endless(reader: RawReader, writer: StreamWriter) -> None:
        await read_request(reader)
        writer.write(OK.replace(b"Content-Length: 2", b"Content-Length: 99999999999"))
        while True:
            writer.write(b"x" * 65536)
            await writer.drain()

    async with reloading(tmp_path, endless, settings) as (place, _), calling(place, get("/big")):
        await place.app.drain(grace=False)
        assert place.app.tallies.routes["all"].requests == {(b"GET", 200): 1}
        assert place.app.tallies.routes["all"].errors == {"drain_timeout": 1}
