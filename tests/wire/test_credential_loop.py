"""The loop that drives credentials, with made-up flows over real sockets."""

import asyncio
from asyncio import StreamWriter
from collections.abc import Callable
from typing import Any

import pytest
from nameless import nameless_files
from rig import serving

from broker import compile_credentials
from broker.core.body import Body
from broker.credentials.flow import Await, Call, CredentialUnavailable, Fetch, Fetched, Flow, Seen, Send
from broker.testing.raw.reader import RawReader, read_request

SOON = 10.0
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
NO = b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Made-Up\r\nContent-Length: 4\r\n\r\nnope"
GET = b"GET /thing?a=1 HTTP/1.1\r\nHost: localhost\r\n\r\n"
POST = b"POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc"
CHUNKED = b"POST /x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
STEP = (b"X-Step", b"1")
LAST = (b"X-Step", b"2")


class MadeUp:
    """An injector whose flow is given."""

    type = "made_up"
    fields = frozenset({b"x-step"})
    query_fields = frozenset({b"code"})
    preview = ()
    transform: Any = None

    def __init__(self, flow: Callable[[Call], Flow], *, bound: bool = False, holds: bool = False) -> None:
        self.flow = flow
        self.bound = bound
        self.holds_body = holds
        self.hashes_body = holds


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Callable[[MadeUp], dict[str, Any]]:
    """Have all credentials be this; gives the route's settings."""

    def made(injector: MadeUp) -> dict[str, Any]:
        monkeypatch.setattr(compile_credentials, "build_injector", lambda *_: injector)
        monkeypatch.setenv("UNUSED", "unused")
        return {"credentials": {"type": "bearer", "token": "env:UNUSED"}}

    return made


def twice(call: Call) -> Flow:
    """Another line after a 401."""
    yield Send((STEP,))
    yield Send((LAST,))


def once(_: Call) -> Flow:
    """The same whatever comes back."""
    yield Send((STEP,))


async def on_second(reader: RawReader, writer: StreamWriter) -> None:
    """200 for the last step, 401 for any other."""
    while True:
        request = await read_request(reader)
        writer.write(OK if b"X-Step: 2" in request else NO)
        await writer.drain()


@pytest.mark.parametrize("request_bytes", [GET, POST, CHUNKED])
async def test_a_call_is_made_again_with_what_the_flow_says(use: Any, request_bytes: bytes) -> None:
    async with asyncio.timeout(SOON), serving(on_second, route=use(MadeUp(twice, holds=True))) as rig:
        answer = await rig.call(request_bytes)
        assert (answer.status, answer.body) == (200, b"ok")
        first, second = rig.upstream.requests
        assert first.replace(b"X-Step: 1", b"X-Step: 2") == second
        assert len(rig.upstream.connections) == 1
        assert rig.pooled() == (1, 0)


async def test_the_callers_field_of_that_name_never_goes_on(use: Any) -> None:
    forged = GET.replace(b"\r\n\r\n", b"\r\nX-Step: 2\r\n\r\n")
    async with asyncio.timeout(SOON), serving(NO, route=use(MadeUp(once))) as rig:
        assert (await rig.call(forged)).status == 401
    assert rig.upstream.requests[0].count(b"X-Step") == 1
    assert b"X-Step: 1" in rig.upstream.requests[0]


async def test_a_body_that_is_not_at_hand_is_not_sent_twice(use: Any) -> None:
    tried: list[bool] = []

    def flow(call: Call) -> Flow:
        tried.append(call.repeatable)
        yield from twice(call)

    async with asyncio.timeout(SOON), serving(on_second, route=use(MadeUp(flow))) as rig, rig.caller() as caller:
        await caller.send(CHUNKED[: CHUNKED.index(b"3\r\nabc")])
        await asyncio.sleep(0.05)
        await caller.send(b"3\r\nabc\r\n0\r\n\r\n")
        answer = await caller.recv_response("POST")
    assert (answer.status, answer.body) == (401, b"nope")
    assert len(rig.upstream.requests) == 1


async def test_a_large_body_is_sent_again_from_a_file(use: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compile_credentials, "LIMITS", compile_credentials.HoldLimits(1024, 1 << 26))
    body = bytes(range(256)) * 8192
    request = b"POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    async with asyncio.timeout(SOON), serving(on_second, route=use(MadeUp(twice, holds=True))) as rig:
        assert (await rig.call(request)).status == 200
        assert [each.partition(b"\r\n\r\n")[2] for each in rig.upstream.requests] == [body, body]


async def test_query_and_cookie_are_added_to_the_callers(use: Any) -> None:
    def flow(_: Call) -> Flow:
        yield Send(query=b"code=s", cookie=b"sid=9")

    cookies = GET.replace(b"\r\n\r\n", b"\r\nCookie: a=b\r\nCookie: c=d\r\n\r\n")
    async with asyncio.timeout(SOON), serving(OK, route=use(MadeUp(flow))) as rig:
        await rig.call(cookies)
        await rig.call(GET)
    with_cookies, without = rig.upstream.requests
    assert b"GET /thing?a=1&code=s HTTP/1.1\r\n" in without
    assert b"\r\nCookie: sid=9\r\n" in without
    assert b"\r\nCookie: sid=9; a=b; c=d\r\n" in with_cookies


def brings(sent: Send) -> MadeUp:
    """What a service takes its caller by, in the query or in cookies."""

    def flow(_: Call) -> Flow:
        yield sent

    return MadeUp(flow)


@pytest.mark.parametrize(
    ("asked", "sent"),
    [
        (b"/thing?code=callers&a=1", b"/thing?a=1&code=s"),
        (b"/thing?CODE=callers&a=1", b"/thing?a=1&code=s"),
        (b"/thing?c%4fde=callers&a=1&code", b"/thing?a=1&code=s"),
        (b"/thing?a=1;code=callers;b=2", b"/thing?a=1;b=2&code=s"),
        (b"/thing?code=callers", b"/thing?code=s"),
        (b"/thing?codes=1&a=code", b"/thing?codes=1&a=code&code=s"),
    ],
)
async def test_the_callers_parameter_of_that_name_never_goes_on(use: Any, asked: bytes, sent: bytes) -> None:
    async with asyncio.timeout(SOON), serving(OK, route=use(brings(Send(query=b"code=s")))) as rig:
        await rig.call(GET.replace(b"/thing?a=1", asked))
    assert rig.upstream.requests[0].split(b" ")[1] == sent


@pytest.mark.parametrize(
    ("lines", "cookie"),
    [
        (b"Connection: cookie\r\n", b"SID=ours"),
        (b"Connection: cookie\r\nCookie: a=b\r\n", b"SID=ours"),
        (b"Cookie: SID=attacker\r\n", b"SID=ours"),
        (b"Cookie: sid=attacker; a=b\r\n", b"SID=ours; a=b"),
        (b"Cookie: a=b, SID=attacker\r\n", b"SID=ours; a=b"),
        (b"cookie: sid = attacker,a=b\r\nCOOKIE: c=d\r\n", b"SID=ours; a=b; c=d"),
        (b"Cookie: a=b,c; d=SID=e\r\n", b"SID=ours; a=b,c; d=SID=e"),
    ],
)
async def test_a_cookie_of_ours_is_neither_removed_nor_outranked(use: Any, lines: bytes, cookie: bytes) -> None:
    async with asyncio.timeout(SOON), serving(OK, route=use(brings(Send(cookie=b"SID=ours")))) as rig:
        await rig.call(GET[:-2] + lines + b"\r\n")
    head = rig.upstream.requests[0].split(b"\r\n")
    assert [line for line in head if line.lower().startswith(b"cookie")] == [b"Cookie: " + cookie]


async def test_a_fetch_goes_to_the_same_upstream(use: Any) -> None:
    seen: list[Fetched] = []

    def flow(_: Call) -> Flow:
        seen.append((yield Fetch(b"POST", b"/login", ((b"Content-Type", b"text/plain"),), b"user")))
        yield Send((LAST,))

    async with asyncio.timeout(SOON), serving([NO, OK], route=use(MadeUp(flow))) as rig:
        assert (await rig.call()).status == 200
    assert (seen[0].status, seen[0].body, seen[0].values(b"www-authenticate")) == (401, b"nope", [b"Made-Up"])
    assert rig.upstream.requests[0].startswith(b"POST /login HTTP/1.1\r\nHost: 127.0.0.1:")
    assert rig.upstream.requests[0].endswith(b"Content-Length: 4\r\n\r\nuser")


async def test_a_credential_that_cannot_be_had_is_said_without_its_cause(use: Any) -> None:
    async def fail() -> None:
        raise CredentialUnavailable("the token endpoint at 10.0.0.1 answered HTML")

    def flow(_: Call) -> Flow:
        yield Await(fail)
        yield Send()

    async with asyncio.timeout(SOON), serving(OK, route=use(MadeUp(flow))) as rig:
        answer = await rig.call()
    assert (answer.status, answer.headers("broker-error")) == (502, [b"credentials_unavailable"])
    assert b"10.0.0.1" not in answer.body
    assert not rig.upstream.requests


async def test_the_beginning_of_a_body_is_seen_and_not_lost(use: Any) -> None:
    seen: list[bytes] = []

    def flow(_: Call) -> Flow:
        answer: Seen = yield Send(watch=frozenset({200}), peek=5)
        seen.append(answer.beginning)

    body = b"marker" + bytes(300_000)
    answer_bytes = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    async with asyncio.timeout(SOON), serving(answer_bytes, route=use(MadeUp(flow))) as rig:
        answer = await rig.call()
    assert answer.body == body
    assert seen == [b"marke"]


async def test_a_beginning_that_comes_after_the_head_is_seen_and_not_lost(use: Any) -> None:
    seen: list[bytes] = []

    def flow(_: Call) -> Flow:
        answer: Seen = yield Send(watch=frozenset({200}), peek=5)
        seen.append(answer.beginning)

    body = b"marker" + bytes(300_000)

    async def script(reader: RawReader, writer: StreamWriter) -> None:
        await read_request(reader)
        for part in b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body), body[:3], body[3:]:
            writer.write(part)
            await asyncio.sleep(0.03)

    async with asyncio.timeout(SOON), serving(script, route=use(MadeUp(flow))) as rig:
        assert (await rig.call()).body == body
    assert seen == [b"marke"]


async def test_a_flow_without_an_end_is_ended(use: Any) -> None:
    def flow(_: Call) -> Flow:
        while True:
            yield Send((STEP,))

    async with asyncio.timeout(SOON), serving(NO, route=use(MadeUp(flow))) as rig:
        answer = await rig.call()
    assert answer.headers("broker-error") == [b"credentials_unavailable"]
    assert len(rig.upstream.requests) < 10


async def test_a_transform_changes_the_body_and_its_length(use: Any) -> None:
    async def longer(body: Body, content_type: bytes, length: int | None) -> tuple[Body, int | None]:
        from broker.upstream.spool import whole_body

        return whole_body([b"longer-", body.take() or b""]), None if length is None else length + 7

    injector = MadeUp(once)
    injector.transform = longer
    async with asyncio.timeout(SOON), serving(OK, route=use(injector)) as rig:
        await rig.call(POST)
    assert rig.upstream.requests[0].endswith(b"longer-abc")
    assert b"Content-Length: 10\r\n" in rig.upstream.requests[0]


# Credentials that belong to connections.


def handshake(call: Call) -> Flow:
    """Three steps, as NTLM has them; nothing on a connection that is known."""
    if call.connection.get("known"):
        yield Send()
        return
    yield Send((STEP,), without_body=True)
    # Taken back if it fails: a flow is not told of an answer that it does not watch.
    call.connection["known"] = True
    yield Send((LAST,))
    call.connection.clear()


class Remembering:
    """An upstream that authenticates connections, and counts."""

    def __init__(self) -> None:
        self.handshakes = 0
        self.bodies: list[bytes] = []

    async def __call__(self, reader: RawReader, writer: StreamWriter) -> None:
        stage = 0
        while True:
            request = await read_request(reader)
            self.bodies.append(request.partition(b"\r\n\r\n")[2])
            if stage == 0:
                assert b"X-Step: 1" in request, request
                stage = 1
                writer.write(NO)
            else:
                assert stage == 2 or b"X-Step: 2" in request, request
                self.handshakes += stage == 1
                stage = 2
                writer.write(OK)
            await writer.drain()


@pytest.mark.parametrize("request_bytes", [GET, POST, CHUNKED])
async def test_steps_of_a_handshake_share_a_connection_and_only_the_last_has_the_body(
    use: Any, request_bytes: bytes
) -> None:
    legacy = Remembering()
    async with asyncio.timeout(SOON), serving(legacy, route=use(MadeUp(handshake, bound=True, holds=True))) as rig:
        for _ in range(3):
            assert (await rig.call(request_bytes)).body == b"ok"
    assert legacy.handshakes == 1
    assert len(rig.upstream.connections) == 1
    carried = [body for body in legacy.bodies if body]
    assert legacy.bodies[0] == b""
    assert len(carried) == (0 if request_bytes is GET else 3)


async def test_many_calls_at_once_each_have_a_handshake_to_themselves(use: Any) -> None:
    legacy = Remembering()
    async with asyncio.timeout(SOON), serving(legacy, route=use(MadeUp(handshake, bound=True, holds=True))) as rig:
        for _ in range(3):
            answers = await asyncio.gather(*(rig.call(POST) for _ in range(20)))
            assert {answer.body for answer in answers} == {b"ok"}
    assert legacy.handshakes == len(rig.upstream.connections) <= 20


async def test_a_connection_lost_between_steps_starts_the_handshake_over(use: Any) -> None:
    legacy = Remembering()
    first = True

    async def flaky(reader: RawReader, writer: StreamWriter) -> None:
        nonlocal first
        if first:
            first = False
            await read_request(reader)
            writer.write(NO.replace(b"Made-Up", b"Made-Up\r\nConnection: close"))
            return
        await legacy(reader, writer)

    async with asyncio.timeout(SOON), serving(flaky, route=use(MadeUp(handshake, bound=True, holds=True))) as rig:
        assert (await rig.call(POST)).body == b"ok"
        assert len(rig.upstream.connections) == 2


async def test_an_upstream_that_always_closes_in_the_handshake_is_an_error(use: Any) -> None:
    closing = NO.replace(b"Made-Up", b"Made-Up\r\nConnection: close")
    async with asyncio.timeout(SOON), serving(closing, route=use(MadeUp(handshake, bound=True))) as rig:
        answer = await rig.call(GET)
    assert answer.headers("broker-error") == [b"credentials_unavailable"]


async def test_a_caller_that_leaves_in_a_handshake_takes_the_connection_along(use: Any) -> None:
    stuck = asyncio.Event()

    async def silent(reader: RawReader, writer: StreamWriter) -> None:
        await read_request(reader)
        writer.write(NO)
        await read_request(reader)
        stuck.set()
        await read_request(reader)

    async with asyncio.timeout(SOON), serving(silent, route=use(MadeUp(handshake, bound=True))) as rig:
        async with rig.caller() as caller:
            await caller.send(GET)
            await stuck.wait()
        while rig.upstream.connections[0].open:
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("bound", [True, False])
async def test_a_held_body_has_a_length_where_the_upstream_takes_no_chunks(use: Any, bound: bool) -> None:
    plain = {"http": {"version": "1.0"}}
    injector = MadeUp(once, bound=bound, holds=True)
    async with asyncio.timeout(SOON), serving(OK, upstream=plain, route=use(injector)) as rig:
        await rig.call(CHUNKED)
    assert b"Content-Length: 3\r\n" in rig.upstream.requests[0]
    assert b"chunked" not in rig.upstream.requests[0].lower()
    assert rig.upstream.requests[0].endswith(b"\r\n\r\nabc")


@pytest.mark.parametrize("bound", [True, False])
async def test_a_spooled_body_leaves_no_file_where_the_upstream_is_gone(
    use: Any, bound: bool, monkeypatch: pytest.MonkeyPatch, unused_tcp_port: int
) -> None:
    monkeypatch.setattr(compile_credentials, "LIMITS", compile_credentials.HoldLimits(1024, 1 << 26))
    request = b"POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n" + bytes(100_000)
    nowhere = {"targets": [f"http://127.0.0.1:{unused_tcp_port}"]}
    injector = MadeUp(once, bound=bound, holds=True)
    async with asyncio.timeout(SOON), serving(OK, upstream=nowhere, route=use(injector)) as rig:
        before = nameless_files()
        for _ in range(5):
            assert (await rig.call(request)).status == 502
        assert nameless_files() == before


@pytest.mark.parametrize("bound", [True, False])
@pytest.mark.parametrize(("idempotent", "deliveries"), [(None, 3), (False, 2)])
async def test_a_call_with_a_login_is_made_twice_only_where_it_may_be(
    use: Any, bound: bool, idempotent: bool | None, deliveries: int
) -> None:
    async def then_gone(reader: RawReader, writer: StreamWriter) -> None:
        await read_request(reader)
        writer.write(OK)
        await writer.drain()
        await read_request(reader)

    route = {**use(MadeUp(once, bound=bound)), "idempotent": idempotent}
    async with asyncio.timeout(SOON), serving(then_gone, route=route) as rig:
        assert [(await rig.call(GET)).status for _ in range(2)] == [200, 200 if deliveries > 2 else 502]
        assert len(rig.upstream.requests) == deliveries


@pytest.mark.parametrize("bound", [True, False])
async def test_a_call_with_a_login_that_was_sent_is_not_said_to_be_unsent(use: Any, bound: bool) -> None:
    async def script(reader: RawReader, writer: StreamWriter) -> None:
        await read_request(reader)
        writer.write(OK)
        await read_request(reader)
        rig.upstream._server.close()

    async with asyncio.timeout(SOON), serving(script, route=use(MadeUp(once, bound=bound))) as rig:
        assert (await rig.call(GET)).status == 200
        assert (await rig.call(GET)).headers("broker-error") == [b"upstream_protocol_error"]
