"""How requests are worded for an upstream: version, spellings, connections, and never an `Expect`."""

import asyncio
from asyncio import StreamWriter
from typing import Any

import pytest
from rig import GET, serving

from broker.testing.raw import framing
from broker.testing.raw.reader import RawReader, read_request
from broker.upstream.send import Upstream

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
KEPT = b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok"
POST = b"POST /s HTTP/1.1\r\nHost: localhost\r\nsoapaction: x\r\nX-Other: y\r\nCONTENT-LENGTH: 2\r\n\r\nhi"
CHUNKS = (
    b"POST /s HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n1\r\n!\r\n0\r\nX-T: u\r\n\r\n"
)
SOON = 5.0


def http(**settings: Any) -> dict[str, Any]:
    return {"http": settings}


def answering(answer: bytes) -> Any:
    """An upstream that leaves its connections open whatever it says."""

    async def script(reader: RawReader, writer: StreamWriter) -> None:
        while await read_request(reader):
            writer.write(answer)

    return script


async def test_names_are_spelled_as_the_upstream_wants_them() -> None:
    spellings = ["SOAPAction", "Content-Length", "host", "X-FORWARDED-FOR", "Authorization"]
    async with asyncio.timeout(SOON), serving(OK, upstream=http(header_case=spellings)) as rig:
        assert (await rig.call(POST)).body == b"ok"
    (request,) = rig.upstream.requests
    names = [line.partition(b":")[0] for line in framing.header_lines(request.partition(b"\r\n\r\n")[0])]
    assert names[:4] == [b"host", b"SOAPAction", b"X-Other", b"Content-Length"]
    assert b"X-FORWARDED-FOR" in names
    assert request.startswith(b"POST /s HTTP/1.1\r\n")
    assert request.endswith(b"\r\n\r\nhi")


@pytest.mark.parametrize("settings", [None, http(header_case=["X-Any"]), http(version="1.0")])
@pytest.mark.parametrize("expect", [b"100-continue", b"100-Continue, 100-continue", b"something-else"])
@pytest.mark.parametrize("version", [b"1.1", b"1.0"])
async def test_an_upstream_never_sees_expect(settings: Any, expect: bytes, version: bytes) -> None:
    request = POST.replace(b"1.1", version).replace(b"X-Other: y", b"Expect: " + expect)
    async with asyncio.timeout(SOON), serving(OK, upstream=settings) as rig:
        assert (await rig.call(request)).body == b"ok"
    assert b"expect" not in rig.upstream.requests[0].lower()


async def test_1_0_is_said_and_its_connections_end() -> None:
    async with asyncio.timeout(SOON), serving(answering(OK), upstream=http(version="1.0")) as rig:
        for request in GET, POST:
            assert (await rig.call(request)).body == b"ok"
        assert rig.pooled() == (0, 0)
    assert len(rig.upstream.connections) == 2
    for request in rig.upstream.requests:
        assert request.partition(b"\r\n")[0].endswith(b" HTTP/1.0")
        assert framing.headers(request, b"connection") == []
        assert len(framing.headers(request, b"host")) == 1


async def test_1_0_keeps_what_the_upstream_keeps() -> None:
    async with asyncio.timeout(SOON), serving(answering(KEPT), upstream=http(version="1.0", keep_alive=True)) as rig:
        for _ in range(2):
            assert (await rig.call()).body == b"ok"
        assert rig.pooled() == (1, 0)
    assert framing.headers(rig.upstream.requests[1], b"connection") == [b"keep-alive"]


async def test_1_0_sends_no_chunks() -> None:
    async with asyncio.timeout(SOON), serving(answering(OK), upstream=http(version="1.0")) as rig:
        assert (await rig.call(CHUNKS)).body == b"ok"
    (request,) = rig.upstream.requests
    assert framing.headers(request, b"content-length") == [b"3"]
    assert framing.headers(request, b"transfer-encoding") == []
    assert request.endswith(b"\r\n\r\nhi!")


@pytest.mark.parametrize("version", ["1.1", "1.0"])
async def test_without_keep_alive_each_call_has_a_connection(version: str) -> None:
    settings = http(version=version, keep_alive=False)
    async with asyncio.timeout(SOON), serving(answering(KEPT), upstream=settings) as rig, rig.caller() as caller:
        for _ in range(3):
            await caller.send(GET)
            assert (await caller.recv_response()).body == b"ok"
            assert rig.pooled() == (0, 0)
    assert [len(connection.requests) for connection in rig.upstream.connections] == [1, 1, 1]
    assert all(framing.headers(request, b"connection") == [b"close"] for request in rig.upstream.requests)


async def test_nothing_changes_where_nothing_is_set() -> None:
    requests = []
    for settings in None, http():
        async with asyncio.timeout(SOON), serving(OK, upstream=settings) as rig:
            for _ in range(2):
                await rig.call(POST)
            assert rig.pooled() == (1, 0)
        port = b":%d" % rig.upstream.port
        requests.append([request.replace(port, b"") for request in rig.upstream.requests])
        assert rig.app._compiled is not None
        (back,) = rig.app._compiled.upstreams.values()
        assert type(back) is Upstream
        assert back.pools[0]._settings.http is None
    assert requests[0] == requests[1]
