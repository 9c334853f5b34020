"""Callers on the wire: who gets in, what the others are told, and what never reaches the upstream."""

import asyncio
import hashlib
import hmac
import io
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from broker.testing.raw import RawUpstream, framing

StartBroker = Callable[..., Awaitable[Any]]
HOST = b"Host: localhost\r\n"
KEY = {"type": "api_key", "keys": ["env:CALLER_A", "env:CALLER_B"]}
ENV = {"CALLER_A": "key-number-one", "CALLER_B": "key-number-two", "CALLER_SECRET": "shared-secret"}


def get(*lines: bytes, target: bytes = b"/a") -> bytes:
    return b"GET " + target + b" HTTP/1.1\r\n" + HOST + b"".join(line + b"\r\n" for line in lines) + b"\r\n"


async def start(broker: StartBroker, upstream: RawUpstream, caller: dict[str, Any], **more: Any) -> Any:
    route = {"callers": ["one"], **more.pop("route", {})}
    others = more.pop("others", {})
    return await broker(upstream.port, callers={"one": caller, **others}, route=route, env=ENV, **more)


async def test_each_of_several_keys_gets_in_and_none_goes_on(broker: StartBroker, upstream: RawUpstream) -> None:
    running = await start(broker, upstream, KEY)
    for key in (b"key-number-one", b"key-number-two"):
        assert (await running.ask(get(b"X-Api-Key: " + key, b"X_Api_Key: x"))).status == 200
        assert b"key" not in upstream.requests[-1].lower()
    refused = await running.ask(get(b"X-Api-Key: key-number-three"))
    assert refused.status == 401
    assert refused.headers("WWW-Authenticate") == [b'ApiKey realm="broker", header="X-Api-Key"']
    assert len(upstream.connections) == 1


@pytest.mark.parametrize(
    ("target", "forwarded"),
    [
        (b"/hook?code=key-number-one", b"/hook"),
        (b"/hook?a=%41&code=key-number-one&b=+&&", b"/hook?a=%41&b=+&&"),
        (b"/hook?c%6Fde=key%2Dnumber-one&x", b"/hook?x"),
    ],
)
async def test_a_key_in_the_query_is_taken_out_of_the_target(
    broker: StartBroker, upstream: RawUpstream, target: bytes, forwarded: bytes
) -> None:
    running = await start(broker, upstream, {"type": "api_key", "query": "code", "key": "env:CALLER_A"})
    log = running.app._observer.access_log
    log._out = io.StringIO()
    assert (await running.ask(get(target=target))).status == 200
    assert upstream.requests[-1].split(b" ")[1] == forwarded
    log.flush()
    line = json.loads(log._out.getvalue())
    assert (line["caller"], line["path"]) == ("one", "/hook")
    assert "key-number" not in str(line)


async def test_the_upstream_is_told_who_calls_by_the_broker_alone(broker: StartBroker, upstream: RawUpstream) -> None:
    running = await start(broker, upstream, KEY, route={"caller_header": "X-Caller"})
    await running.ask(get(b"X-Api-Key: key-number-one", b"x-caller: admin", b"X_Caller: admin"))
    lines = upstream.requests[-1].split(b"\r\n")
    assert [line for line in lines if b"caller" in line.lower()] == [b"X-Caller: one"]


async def test_callers_are_counted_by_their_configured_names(broker: StartBroker, upstream: RawUpstream) -> None:
    running = await start(broker, upstream, KEY)
    await running.ask(get(b"X-Api-Key: key-number-one"))
    await running.ask(get(b"X-Api-Key: made-up"))
    await running.ask(get())
    assert running.app.tallies.callers == {("one", "success"): 1, ("-", "unauthenticated"): 2}


async def test_an_address_outside_is_403_and_costs_no_upstream(broker: StartBroker, upstream: RawUpstream) -> None:
    listener = {"trusted_proxies": ["127.0.0.0/8"]}
    running = await start(broker, upstream, {"type": "ip", "allow": ["192.168.0.0/16"]}, listener=listener)
    refused = await running.ask(get(b"X-Forwarded-For: 192.168.1.1, 6.6.6.6"))
    assert (refused.status, refused.headers("Broker-Error")) == (403, [b"caller_forbidden"])
    assert refused.headers("WWW-Authenticate") == []
    assert upstream.connections == []
    assert (await running.ask(get(b"X-Forwarded-For: 6.6.6.6, 192.168.1.1"))).status == 200
    assert (await running.ask(get(b"Forwarded: for=192.168.1.1"))).status == 200


async def test_all_of_several_proofs_must_hold(broker: StartBroker, upstream: RawUpstream) -> None:
    listener = {"trusted_proxies": ["127.0.0.0/8"]}
    others = {"hq": {"type": "ip", "allow": ["192.168.0.0/16"]}, "fno": KEY}
    both = {"type": "all_of", "of": ["fno", "hq"]}
    running = await start(broker, upstream, both, others=others, listener=listener)
    at_home, key = b"X-Forwarded-For: 192.168.1.1", b"X-Api-Key: key-number-one"
    assert (await running.ask(get(at_home, key))).status == 200
    assert b"X-Api-Key" not in upstream.requests[-1]
    assert (await running.ask(get(at_home))).status == 401
    assert (await running.ask(get(key))).status == 403


async def test_any_of_several_callers_will_do_and_each_way_is_named(broker: StartBroker, upstream: RawUpstream) -> None:
    others = {"two": {"type": "basic", "username": "u", "password": "env:CALLER_B"}}
    others["hq"] = {"type": "ip", "allow": ["192.168.0.0/16"]}
    running = await start(broker, upstream, KEY, others=others, route={"callers": ["hq", "one", "two"]})
    refused = await running.ask(get())
    assert refused.status == 401
    assert refused.headers("WWW-Authenticate") == [
        b'ApiKey realm="broker", header="X-Api-Key"',
        b'Basic realm="broker", charset="UTF-8"',
    ]


# Slowing down.

SLOW = {"limits": {"failed_callers": {"after": 2, "delay": "150ms", "most": "300ms"}}}


async def timed(running: Any, *lines: bytes) -> float:
    began = time.monotonic()
    await running.ask(get(*lines))
    return time.monotonic() - began


async def test_wrong_proofs_are_slowed_and_right_ones_are_not(broker: StartBroker, upstream: RawUpstream) -> None:
    running = await start(broker, upstream, KEY, listener=SLOW)
    wrong = [await timed(running, b"X-Api-Key: guess") for _ in range(4)]
    assert max(wrong[:2]) < 0.15
    assert wrong[2] >= 0.15
    assert wrong[3] >= 0.3
    assert await timed(running, b"X-Api-Key: key-number-one") < 0.15
    assert await timed(running) < 0.15


STRICT = {"limits": {"failed_callers": {"after": 0, "delay": "300ms", "most": "300ms"}}}


async def guess(running: Any, key: bytes, patience: float = 0.1) -> int | None:
    """Show a key and hang up where no answer comes soon: gives the status."""
    async with running.client() as client:
        await client.send(get(b"X-Api-Key: " + key))
        try:
            async with asyncio.timeout(patience):
                return (await client.recv_response()).status
        except TimeoutError:
            await client.abort()
            return None


async def test_whoever_hangs_up_early_learns_nothing(broker: StartBroker, upstream: RawUpstream) -> None:
    running = await start(broker, upstream, KEY, listener=STRICT)
    async with running.client() as known:
        await known.send(get(b"X-Api-Key: guess"))
        assert (await known.recv_response()).status == 401
        await known.send(get(b"X-Api-Key: key-number-one"))
        assert (await known.recv_response()).status == 200
        await asyncio.gather(*(guess(running, b"guess-%d" % number) for number in range(15)))
        assert await guess(running, b"key-number-one") is None
        assert len(upstream.requests) == 1
        # A connection that has proved itself is not held up by others at its address.
        began = time.monotonic()
        await known.send(get(b"X-Api-Key: key-number-one"))
        assert (await known.recv_response()).status == 200
        assert time.monotonic() - began < 0.25
    # Others wait, and get in.
    assert await guess(running, b"key-number-one", patience=5) == 200
    assert await guess(running, b"key-number-none", patience=5) == 401
    # Without a proof nobody waits.
    assert await timed(running) < 0.25
    statuses = await asyncio.gather(*(guess(running, b"guess", patience=5) for _ in range(12)))
    assert sorted(statuses) == [401] * 8 + [429] * 4  # type: ignore[type-var]


async def under_way(running: Any, count: int) -> None:
    """Wait until so many calls are."""
    async with asyncio.timeout(5):
        while running.app.tallies.routes["all"].in_flight != count:
            await asyncio.sleep(0.005)


async def test_a_slowed_caller_that_leaves_is_noted_as_gone(broker: StartBroker, upstream: RawUpstream) -> None:
    slow = {"limits": {"failed_callers": {"after": 0, "delay": "10s", "most": "10s"}}}
    running = await start(broker, upstream, KEY, listener=slow)
    async with running.client() as client:
        await client.send(get(b"X-Api-Key: guess"))
        await under_way(running, 1)
    await under_way(running, 0)
    assert [status for _, status in running.app.tallies.routes["all"].requests] == [499]


# Signatures over the body.

SIGNED = {"type": "hmac", "secret": "env:CALLER_SECRET", "max_body": "100KiB"}


def post(body: bytes, *lines: bytes, signature: bytes | None = None, chunked: bool = False) -> tuple[bytes, bytes]:
    """(head, framed body) of a signed request."""
    stamp = str(time.time_ns() // 10**9).encode()
    made = hmac.new(b"shared-secret", stamp + b"." + body, hashlib.sha256).hexdigest().encode()
    framed_by = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % len(body)
    head = [b"POST /a HTTP/1.1", b"Host: localhost", framed_by, b"X-Timestamp: " + stamp]
    head += [b"X-Signature: " + (signature or made), *lines, b"", b""]
    framed = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if chunked else body
    return b"\r\n".join(head), framed


@pytest.mark.parametrize(("size", "chunked"), [(0, False), (5, False), (90_000, False), (5, True), (90_000, True)])
async def test_a_signed_body_goes_on_unchanged(
    broker: StartBroker, upstream: RawUpstream, chunked: bool, size: int
) -> None:
    running = await start(broker, upstream, SIGNED)
    body = (b"0123456789" * 9000)[:size]
    head, framed = post(body, chunked=chunked)
    assert (await running.ask(head + framed, "POST")).status == 200
    _, _, received = upstream.requests[-1].partition(b"\r\n\r\n")
    assert (framing.decode_chunks(received) if chunked else received) == body
    assert b"X-Signature" not in upstream.requests[-1]
    assert b"X-Timestamp" not in upstream.requests[-1]
    again = await running.ask(head + framed, "POST")
    assert (again.status, b"used before" in again.body) == (401, True)


async def test_a_body_in_pieces_is_waited_for(broker: StartBroker, upstream: RawUpstream) -> None:
    running = await start(broker, upstream, SIGNED)
    head, body = post(b"hello world")
    async with running.client() as client:
        await client.send(head + body[:5])
        await client.send(body[5:])
        assert (await client.recv_response("POST")).status == 200
        head, body = post(b"once more")
        await client.send(head + body)
        assert (await client.recv_response("POST")).status == 200
    assert upstream.requests[-1].endswith(b"\r\n\r\nonce more")


async def test_a_wrong_signature_costs_no_upstream(broker: StartBroker, upstream: RawUpstream) -> None:
    running = await start(broker, upstream, SIGNED)
    head, body = post(b"hello", signature=b"0" * 64)
    refused = await running.ask(head + body, "POST")
    assert refused.status == 401
    assert refused.headers("WWW-Authenticate") == [b'HMAC realm="broker", header="x-signature"']
    assert upstream.connections == []


@pytest.mark.parametrize("signature", [b"short", None])
async def test_a_body_is_not_asked_for_before_the_head_is_right(
    broker: StartBroker, upstream: RawUpstream, signature: bytes | None
) -> None:
    running = await start(broker, upstream, SIGNED)
    head, body = post(b"hello", b"Expect: 100-continue", signature=signature)
    async with running.client() as client:
        await client.send(head)
        if signature is not None:
            assert (await client.recv_response("POST")).status == 401
            return
        assert (await client.recv_response("POST", interim=True)).status == 100
        await client.send(body)
        response = await client.recv_response("POST")
        assert (response.status, response.interim) == (200, [])


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_above_the_limit_is_413(broker: StartBroker, upstream: RawUpstream, chunked: bool) -> None:
    running = await start(broker, upstream, SIGNED)
    head, body = post(b"x" * 110_000, chunked=chunked)
    response = await running.ask(head + body, "POST")
    assert (response.status, response.headers("Broker-Error")) == (413, [b"body_too_large"])
    assert upstream.connections == []


async def test_a_route_may_allow_less(broker: StartBroker, upstream: RawUpstream) -> None:
    running = await start(broker, upstream, SIGNED, route={"max_body": "1KiB"})
    head, body = post(b"x" * 2000)
    assert (await running.ask(head + body, "POST")).status == 413


async def test_a_caller_that_leaves_in_its_body_is_noted(broker: StartBroker, upstream: RawUpstream) -> None:
    running = await start(broker, upstream, SIGNED)
    head, body = post(b"hello")
    async with running.client() as client:
        await client.send(head + body[:2])
        await under_way(running, 1)
    await under_way(running, 0)
    assert [status for _, status in running.app.tallies.routes["all"].requests] == [499]
    assert upstream.connections == []
