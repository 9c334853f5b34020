"""A name with several addresses is reached by the first of them that answers, and nothing of the others is left."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import suppress
from itertools import zip_longest
from pathlib import Path
from typing import Any

import pytest
from blackhole import blackhole
from hypothesis import given
from hypothesis import strategies as st
from rig import GET, serving

from broker.testing.raw.upstream import RawUpstream
from broker.upstream import race
from broker.upstream.race import Address, first_connected, interleaved

SOON = 8.0
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def at(port: int, host: str = "127.0.0.1") -> Address:
    return socket.AF_INET, socket.SOCK_STREAM, 0, "", (host, port)


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def nothing_left(before: int) -> None:
    async with asyncio.timeout(SOON):
        while descriptors() > before:
            await asyncio.sleep(0.01)


async def test_an_address_that_swallows_packets_costs_the_next_no_turn(
    listening: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(race, "STAGGER", 0.03)
    with blackhole() as (dead, _):
        port, before = listening.getsockname()[1], descriptors()
        async with asyncio.timeout(SOON):
            with await first_connected([at(dead.getsockname()[1]), at(port)]) as sock:
                assert sock.getpeername()[1] == port
                assert not sock.getblocking()
                assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
                await nothing_left(before + 1)


async def test_a_refusal_hands_over_at_once(
    listening: socket.socket, monkeypatch: pytest.MonkeyPatch, unused_tcp_port: int
) -> None:
    monkeypatch.setattr(race, "STAGGER", 60)
    async with asyncio.timeout(SOON):
        with await first_connected([at(unused_tcp_port), at(unused_tcp_port), at(listening.getsockname()[1])]) as sock:
            assert sock.getpeername() == listening.getsockname()


@pytest.mark.parametrize("times", [1, 3])
async def test_where_none_answers_the_failure_is_said(times: int, unused_tcp_port: int) -> None:
    before = descriptors()
    with pytest.raises(ConnectionRefusedError):
        await first_connected([at(unused_tcp_port)] * times)
    with pytest.raises(OSError, match="no address"):
        await first_connected([])
    await nothing_left(before)


@pytest.mark.parametrize("turns", [0, 1, 3])
async def test_whoever_gives_up_leaves_nothing_behind(
    turns: int, listening: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(race, "STAGGER", 0.0)
    alive = at(listening.getsockname()[1])
    with blackhole() as (dead, _):
        before = descriptors()
        for addresses in [at(dead.getsockname()[1])] * 3, [at(dead.getsockname()[1]), alive, alive]:
            going = asyncio.create_task(first_connected(addresses))
            for _ in range(turns):
                await asyncio.sleep(0)
            going.cancel()
            for won in await asyncio.gather(going, return_exceptions=True):
                if isinstance(won, socket.socket):
                    won.close()
            await nothing_left(before)


async def test_of_several_that_connect_one_is_kept(listening: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(race, "STAGGER", 0.0)
    before = descriptors()
    for _ in range(20):
        with await first_connected([at(listening.getsockname()[1])] * 4) as sock:
            await nothing_left(before + 1)
            assert sock.getpeername() == listening.getsockname()


@pytest.mark.parametrize("given_up", [False, True])
async def test_whatever_connects_too_late_is_closed(given_up: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(race, "STAGGER", 0.0)
    gate, begun = asyncio.Event(), 0
    pairs = [socket.socketpair() for _ in range(3)]

    async def attempt(to: Address) -> socket.socket:
        nonlocal begun
        begun += 1
        with suppress(asyncio.CancelledError):
            await gate.wait()
        return pairs[to[4]][0]

    monkeypatch.setattr(race, "_attempt", attempt)
    going = asyncio.create_task(first_connected([(socket.AF_INET, 1, 6, "", number) for number in range(3)]))
    async with asyncio.timeout(SOON):
        while begun < 3:
            await asyncio.sleep(0)
        if given_up:
            going.cancel()
            with pytest.raises(asyncio.CancelledError):
                await going
        gate.set()
        won = None if given_up else await going
        late = [ours for ours, _ in pairs if ours is not won]
        while any(ours.fileno() >= 0 for ours in late):
            await asyncio.sleep(0)
    assert len(late) == (3 if given_up else 2)
    assert won is None or won.fileno() >= 0
    for pair in pairs:
        for end in pair:
            end.close()


@given(st.lists(st.sampled_from([socket.AF_INET, socket.AF_INET6]), min_size=1, max_size=12))
def test_families_take_turns_and_keep_their_order(families: list[int]) -> None:
    given_: list[Address] = [(family, 1, 6, "", number) for number, family in enumerate(families)]
    found = interleaved(given_)
    assert sorted(found) == sorted(given_)
    assert found[0] == given_[0]
    for family in set(families):
        mine = [each for each in found if each[0] == family]
        assert mine == [each for each in given_ if each[0] == family]
    fewer = min(families.count(socket.AF_INET), families.count(socket.AF_INET6))
    row = [each[0] for each in found[: 2 * fewer]]
    assert all(one != other for one, other in zip_longest(row[::2], row[1::2]))


async def test_a_call_reaches_the_second_address_within_the_time_to_connect(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(race, "STAGGER", 0.03)
    with blackhole() as (dead, _):
        alive = RawUpstream(OK, host="127.0.0.2")
        alive.port = dead.getsockname()[1]

        loop = asyncio.get_running_loop()
        resolve = loop.getaddrinfo

        async def resolved(host: str, port: int, **asked: Any) -> list[Any]:
            if host == "two.test":
                return [at(port), at(port, "127.0.0.2")]
            return await resolve(host, port, **asked)

        upstream = {"targets": [f"http://two.test:{alive.port}"], "timeouts": {"connect": "3s"}}
        async with asyncio.timeout(SOON), alive, serving(OK, upstream=upstream) as rig:
            monkeypatch.setattr(loop, "getaddrinfo", resolved)
            assert (await rig.call(GET)).body == b"ok"
        assert len(alive.requests) == 1
