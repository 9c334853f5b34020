"""Signatures are read as their kinds are written, checked against the body, and taken once."""

import asyncio
import hashlib
import hmac
import time
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.callers.hmac_body import HmacCheck
from broker.callers.replay import Replays
from broker.callers.signatures import MalformedSignature, SignatureForm
from broker.callers.verdict import ADMITTED, Finding
from broker.core.body import Body
from broker.core.errors import BrokerError
from broker.core.exchange import Exchange
from broker.core.heads import RequestHead
from broker.core.secret import Secret

Call = Callable[..., Exchange]
SECRET = b"shared"


def form(**changes: Any) -> SignatureForm:
    usual: dict[str, Any] = {
        "header": b"x-signature",
        "signed": "timestamp_body",
        "timestamp_header": b"x-timestamp",
        "encoding": "hex",
        "prefix": b"",
    }
    return SignatureForm(**{**usual, **changes})


def check(window: float = 300.0, once: bool = True, max_body: int = 1000, **changes: Any) -> HmacCheck:
    return HmacCheck(form(**changes), Secret(SECRET), window=window, once=once, max_body=max_body)


def digest(data: bytes) -> bytes:
    return hmac.new(SECRET, data, hashlib.sha256).digest()


def lines(body: bytes = b"", at: int = 0) -> tuple[tuple[bytes, bytes], tuple[bytes, bytes]]:
    stamp = str(int(time.time()) + at).encode()
    return (b"X-Timestamp", stamp), (b"X-Signature", digest(stamp + b"." + body).hex().encode())


def reason(one: HmacCheck, exchange: Exchange) -> str:
    verdict = one.judge(exchange)
    assert verdict.finding is Finding.WRONG  # type: ignore[union-attr]
    return verdict.reason  # type: ignore[union-attr]


def test_a_signature_over_time_and_body_is_taken_once(call: Call) -> None:
    one, signed = check(), lines()
    assert one.judge(call(*signed)) is ADMITTED
    assert reason(one, call(*signed)) == "The signature was used before."


def test_once_can_be_turned_off(call: Call) -> None:
    one, signed = check(once=False), lines()
    assert [one.judge(call(*signed)) for _ in range(2)] == [ADMITTED, ADMITTED]


@pytest.mark.parametrize("at", [-400, 400])
def test_a_time_outside_of_the_window_is_refused(call: Call, at: int) -> None:
    assert reason(check(), call(*lines(at=at))) == "The timestamp is too far from the broker's clock."


def test_another_body_or_secret_does_not_fit(call: Call) -> None:
    assert reason(check(), call(*lines(b"x"))) == "The signature does not fit."


def test_without_a_signature_nothing_was_shown(call: Call) -> None:
    verdict = check().judge(call((b"X-Timestamp", b"1")))
    assert verdict.finding is Finding.ABSENT
    assert verdict.challenges == ('HMAC realm="broker", header="x-signature"',)


def test_stripe_has_the_time_and_several_digests_in_one_line(call: Call) -> None:
    stamp = str(int(time.time())).encode()
    good = digest(stamp + b".").hex().encode()
    value = b"t=%b, v0=x, v1=%b, v1=%b" % (stamp, b"0" * 64, good)
    assert check(signed="stripe").judge(call((b"X-Signature", value))) is ADMITTED


def test_github_signs_the_body_alone(call: Call) -> None:
    value = b"sha256=" + digest(b"").hex().encode()
    assert check(signed="body", prefix=b"sha256=").judge(call((b"X-Signature", value))) is ADMITTED
    assert "start" in reason(check(signed="body", prefix=b"sha256="), call((b"X-Signature", value[7:])))


@pytest.mark.parametrize("encode", [b64encode, urlsafe_b64encode])
def test_base64_will_do(call: Call, encode: Callable[[bytes], bytes]) -> None:
    value = encode(digest(b""))
    assert check(signed="body", encoding="base64").judge(call((b"X-Signature", value))) is ADMITTED


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ([(b"X-Signature", b"zz")], "The signature is no HMAC-SHA256 in hex."),
        ([(b"X-Signature", b"0" * 62 + b" 0")], "The signature is no HMAC-SHA256 in hex."),
        ([(b"X-Signature", b"0" * 66)], "The signature is no HMAC-SHA256 in hex."),
        ([(b"X-Signature", b"0" * 64)], "There is no timestamp."),
        ([(b"X-Signature", b"0" * 64)] * 2, "There is more than one signature."),
        ([(b"X-Signature", b"0" * 64), (b"X-Timestamp", b"soon")], "The timestamp is no number of seconds since 1970."),
        ([(b"X-Signature", b"0" * 64), (b"X-Timestamp", b"-1")], "The timestamp is no number of seconds since 1970."),
        ([(b"X-Signature", b"0" * 64), (b"X-Timestamp", b"1"), (b"X-Timestamp", b"1")], "more than one timestamp"),
    ],
)
def test_what_is_no_signature_is_refused_with_a_reason(call: Call, given: list[Any], why: str) -> None:
    assert why in reason(check(), call(*given))


@given(
    st.binary(max_size=200), st.sampled_from(["timestamp_body", "stripe", "body"]), st.sampled_from(["hex", "base64"])
)
def test_whatever_comes_is_read_or_refused(value: bytes, signed: Any, encoding: Any) -> None:
    head = RequestHead(b"POST", b"/", False, [(b"X-Signature", value), (b"X-Timestamp", value)])
    try:
        found = form(signed=signed, encoding=encoding).read(head)
    except MalformedSignature:
        return
    assert found is not None
    assert all(len(one) == 32 for one in found.digests)


@given(
    st.integers(min_value=0, max_value=10**11), st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=16)
)
def test_what_is_written_is_read_again(stamp: int, digests: list[bytes]) -> None:
    value = b",".join([b"t=%d" % stamp, *(b"v1=" + one.hex().encode() for one in digests)])
    found = form(signed="stripe").read(RequestHead(b"POST", b"/", False, [(b"X-Signature", value)]))
    assert found is not None
    assert (found.timestamp, found.before, found.digests) == (stamp, b"%d." % stamp, tuple(digests))


class Source:
    def pause_body(self) -> None: ...
    def resume_body(self) -> None: ...


def with_body(exchange: Exchange, *pieces: bytes, end: bool = True) -> Exchange:
    exchange.body = Body(Source())
    for piece in pieces:
        exchange.body.feed(piece)
    if end:
        exchange.body.finish()
    return exchange


async def test_the_body_is_read_and_given_on(call: Call) -> None:
    exchange = with_body(call(*lines(b"hello world")), b"hello", end=False)
    came = exchange.body
    later = check().judge(exchange)
    waiting = later()  # type: ignore[operator]
    task = asyncio.ensure_future(waiting)
    await asyncio.sleep(0)
    came.feed(b" world")
    came.finish()
    assert await task is ADMITTED
    assert exchange.body is not came
    assert exchange.body.complete
    assert exchange.body.take() == b"hello world"


async def test_a_body_above_the_limit_is_413(call: Call) -> None:
    exchange = with_body(call(*lines(), length=1001), end=False)
    with pytest.raises(BrokerError, match="body_too_large"):
        await check().judge(exchange)()  # type: ignore[operator]
    exchange = with_body(call(*lines()), b"x" * 600, b"x" * 600, end=False)
    with pytest.raises(BrokerError, match="body_too_large"):
        await check().judge(exchange)()  # type: ignore[operator]


async def test_bodies_that_nobody_vouched_for_are_bounded_together(call: Call) -> None:
    one = check(max_body=10)
    one.bodies.held = 159
    exchange = with_body(call(*lines()), end=False)
    task = asyncio.ensure_future(one.judge(exchange)())  # type: ignore[operator]
    await asyncio.sleep(0)
    exchange.body.feed(b"xx")
    with pytest.raises(BrokerError, match="overloaded"):
        await task
    assert one.bodies.held == 159


async def test_a_slow_body_does_not_outlast_the_window(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    exchange = with_body(call(*lines(b"hello")), b"hell", end=False)
    came = exchange.body
    task = asyncio.ensure_future(check(window=300.0).judge(exchange)())  # type: ignore[operator]
    await asyncio.sleep(0)
    later = time.time() + 302
    monkeypatch.setattr("broker.callers.hmac_body.time", lambda: later)
    came.feed(b"o")
    came.finish()
    assert (await task).reason == "The timestamp is too far from the broker's clock."


def waiting(one: HmacCheck, exchange: Exchange, peer: str) -> "asyncio.Future[Any]":
    exchange.caller_side.peer = peer
    return asyncio.ensure_future(one.judge(exchange)())  # type: ignore[operator]


async def test_one_address_fills_no_more_than_its_share(call: Call) -> None:
    one, size = check(max_body=16 * 1024), 16 * 1024 - 1
    held = [waiting(one, with_body(call(*lines()), b"x" * size, end=False), "203.0.113.7") for _ in range(16)]
    await asyncio.sleep(0.01)
    assert one.bodies.held <= 4 * 16 * 1024
    exchange = with_body(call(*lines(b"hello")), b"hell", end=False)
    came = exchange.body
    honest = waiting(one, exchange, "203.0.113.8")
    await asyncio.sleep(0.01)
    came.feed(b"o")
    came.finish()
    assert await honest is ADMITTED
    refused = [task for task in held if task.done()]
    assert len(refused) == 12
    for task in refused:
        with pytest.raises(BrokerError, match="overloaded"):
            await task
    for task in set(held) - set(refused):
        task.cancel()
    await asyncio.gather(*held, return_exceptions=True)
    assert (one.bodies.held, one.bodies._shares) == (0, {})


@pytest.mark.parametrize("addresses", [1, 16])
async def test_where_there_is_no_room_the_slowest_body_gives_way(call: Call, addresses: int) -> None:
    one, size = check(max_body=16 * 1024), 16 * 1024 - 1
    held = [
        waiting(one, with_body(call(*lines()), b"x" * size, end=False), f"198.51.100.{number % addresses}")
        for number in range(16)
    ]
    await asyncio.sleep(0.05)
    body = b"y" * 10_000
    exchange = with_body(call(*lines(body)), end=False)
    came = exchange.body
    honest = waiting(one, exchange, "198.51.100.0")
    await asyncio.sleep(0.01)
    came.feed(body)
    came.finish()
    assert await honest is ADMITTED
    assert any(task.done() for task in held)
    for task in held:
        task.cancel()
    await asyncio.gather(*held, return_exceptions=True)
    assert one.bodies.held == 0


async def test_a_body_that_was_given_up_counts_no_longer_though_its_task_sleeps(call: Call) -> None:
    one = check(max_body=16 * 1024)
    exchanges = [with_body(call(*lines()), b"x" * 16_000, end=False) for _ in range(4)]
    held = [waiting(one, exchange, "203.0.113.7") for exchange in exchanges]
    await asyncio.sleep(0.01)
    for task in held:
        task.cancel()
    # Before any of them has its turn, another one needs the room.
    late = with_body(call(*lines()), b"x" * 16_000, end=False)
    fifth = waiting(one, late, "203.0.113.7")
    exchanges[0].body.finish()
    await asyncio.gather(*held, return_exceptions=True)
    await asyncio.sleep(0.01)
    assert one.bodies.held == 16_000
    fifth.cancel()
    await asyncio.gather(fifth, return_exceptions=True)


def test_replays_are_bounded_and_forgotten_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("broker.callers.replay.monotonic", lambda: now[0])
    replays = Replays(10.0, most=2)
    assert not replays.seen(b"a")
    now[0] = 5.0
    assert not replays.seen(b"b")
    assert replays.full
    assert replays.seen(b"a")
    now[0] = 11.0
    assert not replays.full
    assert (replays.seen(b"b"), replays.seen(b"a"), len(replays)) == (True, False, 2)


def test_a_full_memory_refuses_rather_than_forgets(call: Call) -> None:
    one = check()
    one.replays = Replays(600.0, most=1)
    one.replays.seen(b"a")
    verdict = one.judge(call(*lines()))
    assert verdict.error.code == "rate_limited"
