"""A repeated `Idempotency-Key` gets the first answer, and the service one call."""

import asyncio
from asyncio import StreamWriter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from rig import serving

from broker.core.errors import BrokerError
from broker.testing.raw import RawClient, RawResponse, RawUpstream
from broker.testing.raw.reader import RawReader, read_request
from broker.testing.windows_auth import Iis, User, accounts
from broker.upstream import idempotent
from broker.upstream.pool import Pool

StartBroker = Callable[..., Awaitable[Any]]
SOON = 20.0
CREATED = b"HTTP/1.1 201 Made So\r\nLocation: /orders/7\r\nX-Odd:  7 \r\nContent-Length: 4\r\n\r\nmade"
FAILED = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 4\r\n\r\nsigh"
EMPTY = b"HTTP/1.1 204 No Content\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n2\r\ncd\r\n0\r\n\r\n"
NOTHING = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
CLOSE = b"HTTP/1.0 200 OK\r\nX-Request-Id: theirs\r\n\r\nuntil the end"
UUID = "8e03978e-40d5-43dd-bc93-6894a57f9324"


def post(
    *lines: str, key: str | None = UUID, body: bytes = b"abc", path: str = "/orders", method: str = "POST"
) -> bytes:
    head = [f"{method} {path} HTTP/1.1", "Host: localhost", f"Content-Length: {len(body)}", *lines]
    if key is not None:
        head.append(f"Idempotency-Key: {key}")
    return "\r\n".join([*head, "", ""]).encode() + body


def code(answer: RawResponse) -> tuple[int, bytes]:
    return answer.status, (answer.headers("broker-error") or [b""])[0]


def replayed(answer: RawResponse) -> bool:
    return answer.headers("idempotency-replayed") == [b"true"]


def own(answer: RawResponse) -> list[bytes]:
    """The service's header lines."""
    ours = (b"x-request-id:", b"idempotency-replayed:")
    return [line for line in answer.header_lines if not line.lower().startswith(ours)]


class Slow:
    """Answers when told, and sees how the calls end."""

    def __init__(self, answer: bytes = CREATED, rest: bytes = b"") -> None:
        self.asked, self.go, self.gone = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.answer = answer
        self.rest = rest
        """What comes when told, after `answer` at once; without it, `answer` comes then."""

    async def __call__(self, reader: RawReader, writer: StreamWriter) -> None:
        while await read_request(reader):
            if self.rest:
                writer.write(self.answer)
            self.asked.set()
            told, end = asyncio.create_task(self.go.wait()), asyncio.create_task(reader.some())
            await asyncio.wait([told, end], return_when=asyncio.FIRST_COMPLETED)
            for task in (told, end):
                task.cancel()
            await asyncio.wait([told, end])
            if not self.go.is_set():
                self.gone.set()
                return
            writer.write(self.rest or self.answer)
            await writer.drain()


async def leave(made: RawClient, request: bytes, slow: Slow) -> None:
    """Send a request, and hang up once it has reached the service."""
    async with made as caller:
        await caller.send(request)
        await slow.asked.wait()
        await caller.abort()


@pytest.mark.parametrize(
    "answer",
    [CREATED, FAILED, EMPTY, CHUNKED, NOTHING, CLOSE],
    ids=["201", "500", "204", "chunked", "nothing", "close"],
)
async def test_the_same_key_gets_the_same_answer_and_the_service_one_call(broker: StartBroker, answer: bytes) -> None:
    async with asyncio.timeout(SOON), RawUpstream(answer) as service:
        running = await broker(service.port)
        first, second = [await running.ask(post(), "POST") for _ in range(2)]
        assert second.status_line == first.status_line
        assert own(second) == own(first)
        assert second.body == first.body
        assert second.complete
        assert (replayed(first), replayed(second)) == (False, True)
        assert len(second.headers("x-request-id")) == 1
        assert second.headers("x-request-id") != first.headers("x-request-id")
        assert len(service.requests) == 1
        assert f"Idempotency-Key: {UUID}".encode() in service.requests[0]
        tally = running.app.tallies.routes["all"]
        assert tally.replays == 1


@pytest.mark.parametrize(
    "other",
    [
        post(body=b"abd"),
        post(path="/orders?x=1"),
        post(method="PUT"),
        post("Content-Type: text/xml"),
        post("SOAPAction: urn:else"),
        post("Authorization: Basic bm90IHlvdXJz"),
        post("Cookie: session=another"),
        post().replace(b"Host: localhost", b"Host: elsewhere.example"),
    ],
    ids=["body", "target", "method", "type", "action", "authorization", "cookie", "host"],
)
async def test_the_key_with_another_request_is_refused(
    broker: StartBroker, upstream: RawUpstream, other: bytes
) -> None:
    running = await broker(upstream.port)
    assert (await running.ask(post(), "POST")).status == 200
    assert code(await running.ask(other, "POST")) == (422, b"idempotency_key_reused")
    assert len(upstream.requests) == 1


async def test_a_proof_that_the_service_never_sees_may_be_another_one_by_then(
    broker: StartBroker, upstream: RawUpstream
) -> None:
    route = {"credentials": {"type": "bearer", "token": "env:TOKEN"}}
    running = await broker(upstream.port, route=route, env={"TOKEN": "t0ken-of-the-route"})
    answers = [await running.ask(post(f"Authorization: Bearer {token}"), "POST") for token in ("old", "new")]
    assert [(answer.status, replayed(answer)) for answer in answers] == [(200, False), (200, True)]
    assert len(upstream.requests) == 1


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["Idempotency-Key: a", "Idempotency-Key: a"], b"more than one"),
        (["Idempotency-Key: a, b"], b"not a string"),
        (["Idempotency-Key:"], b"not a string"),
        (["Idempotency-Key: " + "k" * 256], b"1 to 255"),
    ],
)
async def test_a_malformed_key_is_refused(
    broker: StartBroker, upstream: RawUpstream, lines: list[str], words: bytes
) -> None:
    running = await broker(upstream.port)
    answer = await running.ask(post(*lines, key=None), "POST")
    assert code(answer) == (400, b"bad_request")
    assert words in answer.body
    assert upstream.requests == []


@pytest.mark.parametrize(
    ("request_bytes", "route"),
    [
        (post(method="GET", body=b""), {}),
        (post(method="OPTIONS", body=b""), {}),
        (post(key=None), {}),
        (post(), {"idempotency_key": False}),
        (post(key="a, b"), {"idempotency_key": False}),
    ],
    ids=["get", "options", "no key", "switched off", "switched off, malformed"],
)
async def test_where_the_key_means_nothing_every_call_is_made(
    broker: StartBroker, upstream: RawUpstream, request_bytes: bytes, route: dict[str, Any]
) -> None:
    running = await broker(upstream.port, route=route)
    answers = [await running.ask(request_bytes) for _ in range(2)]
    assert [(answer.status, replayed(answer)) for answer in answers] == [(200, False)] * 2
    assert len(upstream.requests) == 2


async def test_concurrent_repeats_share_one_call_and_hold_no_place_meanwhile() -> None:
    slow = Slow()
    async with asyncio.timeout(SOON), serving(slow, route={"max_concurrency": 2}) as rig:
        first = asyncio.create_task(rig.call(post()))
        await slow.asked.wait()
        repeats = [asyncio.create_task(rig.call(post())) for _ in range(4)]
        while rig.app.tallies.routes["all"].in_flight < 5:
            await asyncio.sleep(0.005)
        await asyncio.sleep(0.05)
        compiled = rig.app._compiled
        [(_, places)] = compiled.registry.bulkheads.values()
        assert places.active == 1
        slow.go.set()
        answers = await asyncio.gather(first, *repeats)
        assert [(answer.status, answer.body) for answer in answers] == [(201, b"made")] * 5
        assert [replayed(answer) for answer in answers] == [False] + [True] * 4
        assert len(rig.upstream.requests) == 1
        assert places.active == 0


async def test_a_repeat_waits_only_so_long(broker: StartBroker) -> None:
    slow = Slow()
    async with asyncio.timeout(SOON), RawUpstream(slow) as service:
        running = await broker(service.port, idempotency_keys={"wait": "50ms"})
        first = asyncio.create_task(running.ask(post(), "POST"))
        await slow.asked.wait()
        answer = await running.ask(post(), "POST")
        assert code(answer) == (409, b"idempotency_key_in_use")
        assert int(answer.headers("retry-after")[0]) >= 1
        slow.go.set()
        assert (await first).status == 201


async def test_a_repeat_is_told_before_its_own_deadline(broker: StartBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idempotent, "_MARGIN", 29.5)
    slow = Slow()
    async with asyncio.timeout(SOON), RawUpstream(slow) as service:
        running = await broker(service.port, route={"deadline": "30s"})
        first = asyncio.create_task(running.ask(post(), "POST"))
        await slow.asked.wait()
        assert code(await running.ask(post(), "POST")) == (409, b"idempotency_key_in_use")
        slow.go.set()
        assert (await first).status == 201


async def test_what_was_not_sent_is_made_when_it_is_repeated(broker: StartBroker, unused_tcp_port: int) -> None:
    service = RawUpstream(CREATED)
    service.port = unused_tcp_port
    running = await broker(unused_tcp_port)
    assert code(await running.ask(post(), "POST")) == (502, b"upstream_connect_failed")
    async with asyncio.timeout(SOON), service:
        answer = await running.ask(post(), "POST")
        assert (answer.status, replayed(answer)) == (201, False)
        assert len(service.requests) == 1


async def cut_before(reader: RawReader, writer: StreamWriter) -> None:
    await read_request(reader)


async def cut_within(reader: RawReader, writer: StreamWriter) -> None:
    await read_request(reader)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")
    await writer.drain()


@pytest.mark.parametrize("script", [cut_before, cut_within])
@pytest.mark.parametrize("retry", [{}, {"retry": {"on": ["connect_failed", "reset", 503]}}], ids=["", "retry"])
async def test_what_was_sent_and_has_no_answer_is_never_sent_again(
    broker: StartBroker, script: Any, retry: dict[str, Any]
) -> None:
    async with asyncio.timeout(SOON), RawUpstream(script) as service:
        running = await broker(service.port, upstream=retry)
        first = await running.ask(post(), "POST")
        assert code(first)[1] == b"upstream_protocol_error" or not first.complete
        for _ in range(2):
            assert code(await running.ask(post(), "POST")) == (409, b"idempotency_outcome_unknown")
        assert len(service.requests) == 1


async def test_an_answer_that_came_too_late_is_not_asked_for_again(broker: StartBroker) -> None:
    slow = Slow()
    async with asyncio.timeout(SOON), RawUpstream(slow) as service:
        running = await broker(service.port, route={"deadline": "150ms"})
        assert code(await running.ask(post(), "POST")) == (504, b"upstream_timeout")
        assert code(await running.ask(post(), "POST")) == (409, b"idempotency_outcome_unknown")
        assert len(service.requests) == 1


@pytest.mark.parametrize("limits", [{"answer": "4KiB"}, {"answer": "4KiB", "memory": "4KiB"}])
async def test_of_a_large_answer_only_the_key_is_kept(broker: StartBroker, limits: dict[str, str]) -> None:
    body = bytes(200_000)
    async with (
        asyncio.timeout(SOON),
        RawUpstream(b"HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n" + body) as service,
    ):
        running = await broker(service.port, idempotency_keys=limits)
        assert (await running.ask(post(), "POST")).body == body
        assert code(await running.ask(post(), "POST")) == (409, b"idempotency_outcome_unknown")
        assert len(service.requests) == 1
        assert running.app._compiled.idempotency_keys.room.taken == 0


async def test_another_caller_and_another_route_have_keys_of_their_own(
    broker: StartBroker, upstream: RawUpstream
) -> None:
    callers = {
        name: {"type": "api_key", "header": "X-Api-Key", "key": f"env:{name.upper()}"} for name in ("anna", "bert")
    }
    routes = [{"name": name, "match": {"path": f"/{name}/"}, "callers": ["anna", "bert"]} for name in ("one", "two")]
    env = {"ANNA": "the-key-of-anna", "BERT": "the-key-of-bert"}
    running = await broker(upstream.port, callers=callers, routes=routes, env=env)
    for _ in range(2):
        for who in env.values():
            for path in ("/one/x", "/two/x"):
                assert (await running.ask(post(f"X-Api-Key: {who}", path=path), "POST")).status == 200
    assert len(upstream.requests) == 4


async def test_strangers_are_told_apart_by_their_address(broker: StartBroker, upstream: RawUpstream) -> None:
    running = await broker(upstream.port, listener={"trusted_proxies": ["127.0.0.1"]})
    for _ in range(2):
        for address in ("198.51.100.7", "198.51.100.8"):
            assert (await running.ask(post(f"X-Forwarded-For: {address}"), "POST")).status == 200
    assert len(upstream.requests) == 2


async def test_chunked_large_expecting_and_old_requests_are_compared_by_their_content(
    broker: StartBroker, upstream: RawUpstream
) -> None:
    running = await broker(upstream.port)
    line = f"Idempotency-Key: {UUID}"
    chunked = f"POST /orders HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n{line}\r\n\r\n".encode()
    assert (await running.ask(chunked + b"3\r\nabc\r\n0\r\n\r\n", "POST")).status == 200
    asking = post("Expect: 100-continue")
    async with running.client() as caller:
        await caller.send(asking[:-3])
        assert (await caller.recv_response("POST", interim=True)).status == 100
        await caller.send(asking[-3:])
        again = await caller.recv_response("POST")
    old = await running.ask(post().replace(b"HTTP/1.1", b"HTTP/1.0"), "POST")
    parts = await running.ask(chunked + b"1\r\na\r\n2\r\nbc\r\n0\r\n\r\n", "POST")
    assert [(answer.status, replayed(answer), answer.body) for answer in (again, old, parts)] == [
        (200, True, b"ok")
    ] * 3
    assert len(upstream.requests) == 1


async def test_a_body_that_only_a_file_can_hold_is_compared_and_sent(
    broker: StartBroker, upstream: RawUpstream
) -> None:
    running = await broker(upstream.port)
    body = bytes(range(256)) * 8192
    assert (await running.ask(post(body=body), "POST")).status == 200
    assert replayed(await running.ask(post(body=body), "POST"))
    assert code(await running.ask(post(body=body[:-1] + b"x"), "POST")) == (422, b"idempotency_key_reused")
    [sent] = upstream.requests
    assert sent.endswith(b"\r\n\r\n" + body)
    assert running.app._compiled.registry.held_bodies.used == 0


async def test_a_body_that_cannot_be_compared_is_refused_unread(broker: StartBroker, upstream: RawUpstream) -> None:
    running = await broker(upstream.port)
    request = post().replace(b"Content-Length: 3", b"Content-Length: 2000000000")
    assert code(await running.ask(request, "POST")) == (413, b"body_too_large")
    assert upstream.requests == []


RETRY = {"retry": {"attempts": 2, "on": ["connect_failed", 503], "backoff": "10ms"}}


async def test_attempts_behind_one_key_are_one_call(broker: StartBroker) -> None:
    busy = b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"
    async with asyncio.timeout(SOON), RawUpstream([busy, CREATED]) as service:
        running = await broker(service.port, upstream=RETRY, route={"idempotent": True})
        answers = [await running.ask(post(), "POST") for _ in range(2)]
        assert [(answer.status, replayed(answer)) for answer in answers] == [(201, False), (201, True)]
        assert len(service.requests) == 2


DENIED = b'HTTP/1.1 401 No\r\nWWW-Authenticate: Digest realm="r", nonce="n", qop="auth"\r\nContent-Length: 0\r\n\r\n'
DIGEST = {"credentials": {"type": "digest", "username": "wms", "password": "env:WMS"}}


async def test_a_call_with_a_digest_is_made_once(broker: StartBroker) -> None:
    async with asyncio.timeout(SOON), RawUpstream([DENIED, CREATED]) as service:
        running = await broker(service.port, route=DIGEST, env={"WMS": "the-password"})
        answers = [await running.ask(post(), "POST") for _ in range(2)]
        assert [(answer.status, replayed(answer)) for answer in answers] == [(201, False), (201, True)]
        assert [b"Authorization" in request for request in service.requests] == [False, True]


async def test_a_call_that_was_never_let_in_was_not_applied_and_may_be_made_again(broker: StartBroker) -> None:
    async with asyncio.timeout(SOON), RawUpstream([DENIED, CREATED]) as service:
        running = await broker(service.port)
        assert (await running.ask(post(), "POST")).status == 401
        answers = [await running.ask(post("Authorization: Digest mine"), "POST") for _ in range(2)]
        assert [(answer.status, replayed(answer)) for answer in answers] == [(201, False), (201, True)]
        assert len(service.requests) == 2


async def test_a_handshake_that_breaks_after_its_401_leaves_the_key_free(broker: StartBroker) -> None:
    denied = iter([DENIED.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")])
    well = asyncio.Event()

    async def script(reader: RawReader, writer: StreamWriter) -> None:
        await read_request(reader)
        writer.write(next(denied, CREATED.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")))
        await writer.drain()
        if not well.is_set():
            service._server.close()

    async with asyncio.timeout(SOON), RawUpstream(script) as service:
        running = await broker(service.port, route=DIGEST, env={"WMS": "the-password"})
        assert code(await running.ask(post(), "POST")) == (502, b"upstream_connect_failed")
        assert len(service.requests) == 1
        assert len(running.app._compiled.idempotency_keys.store) == 0


async def test_a_login_with_ntlm_and_its_call_are_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    anna = User("CORP", "anna", "s3cret-of-anna")
    monkeypatch.setenv("ANNA", anna.password)
    route = {"credentials": {"type": "ntlm", "username": r"CORP\anna", "password": "env:ANNA"}}
    with accounts([anna]) as users:
        async with asyncio.timeout(SOON), Iis(users) as iis:
            target = {"targets": [f"http://127.0.0.1:{iis.port}"]}
            async with serving(b"", upstream=target, route=route) as rig:
                answers = [await rig.call(post(path="/echo")) for _ in range(2)]
        assert [(answer.status, replayed(answer)) for answer in answers] == [(200, False), (200, True)]
        assert answers[0].body == answers[1].body
        assert len([request for request in iis.requests if request.status == 200]) == 1


@pytest.mark.parametrize("cut", [0, -2], ids=["before the head", "in the body"])
async def test_a_caller_that_left_finds_the_answer_when_it_comes_back(cut: int) -> None:
    slow = Slow(CREATED[:cut], CREATED[cut:]) if cut else Slow()
    async with asyncio.timeout(SOON), serving(slow, upstream={"max_concurrency": 1}) as rig:
        await leave(rig.caller(), post(), slow)
        while rig.app.tallies.routes["all"].in_flight:
            await asyncio.sleep(0.005)
        [(_, places)] = rig.app._compiled.registry.bulkheads.values()
        assert places.active == 1
        slow.go.set()
        while places.active:
            await asyncio.sleep(0.005)
        answer = await rig.call(post())
        assert (answer.status, answer.body, replayed(answer)) == (201, b"made", True)
        assert len(rig.upstream.requests) == 1
        assert rig.pooled() == (1, 0)


async def test_a_large_answer_is_not_taken_for_a_caller_that_left(broker: StartBroker) -> None:
    slow = Slow(b"HTTP/1.1 200 OK\r\nContent-Length: 2000000\r\n\r\n", bytes(2_000_000))
    async with asyncio.timeout(SOON), RawUpstream(slow) as service:
        running = await broker(service.port)
        await leave(running.client(), post(), slow)
        slow.go.set()
        while running.app._compiled.idempotency_keys.alone:
            await asyncio.sleep(0.005)
        assert code(await running.ask(post(), "POST")) == (409, b"idempotency_outcome_unknown")


async def test_a_call_without_its_caller_ends_at_its_deadline(
    broker: StartBroker, caplog: pytest.LogCaptureFixture
) -> None:
    slow = Slow()
    async with asyncio.timeout(SOON), RawUpstream(slow) as service:
        running = await broker(service.port, route={"deadline": "500ms"})
        await leave(running.client(), post(), slow)
        await slow.gone.wait()
        assert code(await running.ask(post(), "POST")) == (409, b"idempotency_outcome_unknown")
        assert len(service.requests) == 1
    assert [record.event for record in caplog.records if "its caller had left" in record.getMessage()] == [
        "upstream_timeout"
    ]


async def test_what_breaks_a_call_without_its_caller_is_told_to_the_log(
    broker: StartBroker, caplog: pytest.LogCaptureFixture
) -> None:
    slow = Slow(b"nonsense\r\n\r\n")
    async with asyncio.timeout(SOON), RawUpstream(slow) as service:
        running = await broker(service.port)
        await leave(running.client(), post(), slow)
        alone = running.app._compiled.idempotency_keys.alone
        while not alone:
            await asyncio.sleep(0.005)
        slow.go.set()
        await alone.over()
    assert [record.event for record in caplog.records if "its caller had left" in record.getMessage()] == [
        "upstream_protocol_error"
    ]


async def test_a_login_of_the_callers_own_ends_with_the_caller(broker: StartBroker) -> None:
    slow = Slow()
    async with asyncio.timeout(SOON), RawUpstream(slow) as service:
        running = await broker(service.port)
        await leave(running.client(), post("Authorization: NTLM TlRMTVNTUAADAAAA"), slow)
        await slow.gone.wait()
        assert not running.app._compiled.idempotency_keys.alone


async def test_only_so_many_calls_go_on_alone(broker: StartBroker) -> None:
    slow = Slow()
    async with asyncio.timeout(SOON), RawUpstream(slow) as service:
        running = await broker(service.port)
        running.app._compiled.idempotency_keys.alone.most = 0
        await leave(running.client(), post(), slow)
        await slow.gone.wait()
        assert code(await running.ask(post(), "POST")) == (409, b"idempotency_outcome_unknown")


async def test_when_the_first_was_not_sent_a_waiting_repeat_does_not_slip_past_the_gate(
    broker: StartBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    connecting, go = asyncio.Event(), asyncio.Event()

    async def fresh(_: Pool) -> Any:
        connecting.set()
        await go.wait()
        raise BrokerError("upstream_connect_failed")

    monkeypatch.setattr(Pool, "fresh", fresh)
    running = await broker(route={"max_concurrency": 5})
    async with asyncio.timeout(SOON):
        first = asyncio.create_task(running.ask(post(), "POST"))
        await connecting.wait()
        second = asyncio.create_task(running.ask(post(), "POST"))
        while running.app.tallies.routes["all"].in_flight < 2:
            await asyncio.sleep(0.005)
        await asyncio.sleep(0.05)
        go.set()
        assert code(await first) == (502, b"upstream_connect_failed")
        answer = await second
        assert code(answer) == (503, b"overloaded")
        assert int(answer.headers("retry-after")[0]) <= 2


async def test_a_full_store_refuses_new_keys(broker: StartBroker, upstream: RawUpstream) -> None:
    running = await broker(upstream.port, idempotency_keys={"entries": 1})
    assert (await running.ask(post(key="a"), "POST")).status == 200
    answer = await running.ask(post(key="b"), "POST")
    assert code(answer) == (503, b"overloaded")
    assert int(answer.headers("retry-after")[0]) >= 1
    assert replayed(await running.ask(post(key='"a"'), "POST"))
