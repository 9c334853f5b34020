"""The lines of an answer reach the caller as the upstream sent them."""

import pytest
from rig import GET, serving

LINES = [
    b"Server: Legacy/1.0 (caf\xe9)",
    b"set-cookie: a=1; Path=/",
    b"X-Odd-CASE: one",
    b"Set-Cookie: b=2, c; HttpOnly",
    b"WWW-Authenticate: Negotiate",
    b"x-odd-case: two",
    b'WWW-Authenticate: Basic realm="x"',
    b"X-Empty:",
    b"Location: http://elsewhere.example/%2f?a=b",
    b"Content-Length: 2",
    b"X-Utf8: \xc3\xa9\xff",
]


def without(lines: list[bytes], *names: bytes) -> list[bytes]:
    return [line for line in lines if line.partition(b":")[0].lower() not in names]


def squeezed(lines: list[bytes]) -> list[tuple[bytes, bytes]]:
    return [(name, value.strip()) for name, _, value in (line.partition(b":") for line in lines)]


def answer(*lines: bytes, status: bytes = b"200 OK", body: bytes = b"hi") -> bytes:
    return b"\r\n".join([b"HTTP/1.1 " + status, *lines, b"", body])


async def test_lines_keep_their_order_case_duplicates_and_bytes() -> None:
    async with serving(answer(*LINES)) as rig:
        reply = await rig.call()
    assert reply.body == b"hi"
    assert squeezed(without(reply.header_lines, b"x-request-id")) == squeezed(LINES)


async def test_the_reason_phrase_stays() -> None:
    async with serving(answer(b"Content-Length: 2", status=b"299 Qu\xe9 tal")) as rig:
        assert (await rig.call()).status_line == b"HTTP/1.1 299 Qu\xe9 tal"


@pytest.mark.parametrize(
    "line",
    [
        b"Connection: X-Private",
        b"Keep-Alive: timeout=5",
        b"Proxy-Connection: keep-alive",
        b"Upgrade: h2c",
        b"TE: trailers",
        b"X-Private: secret",
    ],
)
async def test_hop_by_hop_lines_and_what_connection_names_stay_behind(line: bytes) -> None:
    lines = {b"Connection: X-Private", line}
    async with serving(answer(*lines, b"Content-Length: 2")) as rig:
        reply = await rig.call()
    assert squeezed(without(reply.header_lines, b"x-request-id")) == [(b"Content-Length", b"2")]


async def test_connection_cannot_remove_the_length() -> None:
    async with serving(answer(b"Connection: Content-Length", b"Content-Length: 2")) as rig:
        reply = await rig.call()
    assert reply.headers("content-length") == [b"2"]


@pytest.mark.parametrize(
    ("method", "status"), [(b"HEAD", b"200 OK"), (b"GET", b"304 Not Modified"), (b"GET", b"204 No Content")]
)
async def test_an_answer_without_a_body_keeps_its_headers(method: bytes, status: bytes) -> None:
    lines = [b'ETag: "1"', b"Content-Type: text/plain", b"Content-Encoding: gzip", b"Vary: Accept"]
    lines += [b"Content-Length: 1234"] if status[:3] != b"204" else []
    # What claims a body that it must not have may yet send one, so that connection is not kept.
    connections = 1 if status[:3] == b"204" else 2
    async with serving(answer(*lines, status=status, body=b"")) as rig, rig.caller() as caller:
        for _ in range(2):
            await caller.send(GET.replace(b"GET", method))
            reply = await caller.recv_response(method.decode())
            assert squeezed(without(reply.header_lines, b"x-request-id")) == squeezed(lines)
    assert len(rig.upstream.connections) == connections


async def test_twelve_kilobytes_of_header_lines_pass() -> None:
    lines = [b"X-%d: " % number + b"v" * 1000 for number in range(8)] + [b"X-Long: " + b"w" * 4096]
    async with serving(answer(*lines, b"Content-Length: 2")) as rig:
        reply = await rig.call()
    assert squeezed(reply.header_lines)[:9] == squeezed(lines)


async def test_no_cookie_is_remembered() -> None:
    async with serving(answer(b"Set-Cookie: a=1", b"Content-Length: 2")) as rig, rig.caller() as caller:
        for _ in range(2):
            await caller.send(GET)
            await caller.recv_response()
    assert len(rig.upstream.requests) == 2
    assert all(b"cookie" not in request.lower() for request in rig.upstream.requests)


@pytest.mark.parametrize("status", [b"301 Moved", b"302 Found", b"307 Temporary Redirect", b"308 Permanent Redirect"])
async def test_no_redirect_is_followed(status: bytes) -> None:
    async with serving(answer(b"Location: /elsewhere", b"Content-Length: 2", status=status)) as rig:
        reply = await rig.call()
    assert reply.status == int(status[:3])
    assert len(rig.upstream.requests) == 1


async def test_every_answer_has_a_request_id() -> None:
    async with serving(answer(b"Content-Length: 2")) as rig:
        made = (await rig.call()).headers("x-request-id")
        own = (await rig.call(GET.replace(b"\r\n\r\n", b"\r\nX-Request-Id: mine-1\r\n\r\n"))).headers("x-request-id")
        refused = (await rig.call(GET.replace(b"/thing", b"/%2e%2e/"))).headers("x-request-id")
    assert len(made) == len(refused) == 1
    assert made != refused
    assert own == [b"mine-1"]
