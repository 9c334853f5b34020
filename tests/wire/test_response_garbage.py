"""What is no answer becomes a 502 that says so, and harms no later call."""

import asyncio
import json
import os
from asyncio import StreamWriter
from typing import Any

import pytest
from rig import GET, serving

from broker.testing.raw.reader import RawReader, read_request
from broker.upstream.pool import Pool

GARBAGE = {
    "an unasked 101": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    "status 2000": b"HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n",
    "status 99": b"HTTP/1.1 099 OK\r\nContent-Length: 0\r\n\r\n",
    "HTTP/3.7": b"HTTP/3.7 200 OK\r\nContent-Length: 0\r\n\r\n",
    "differing lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc",
    "a negative length": b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
    "a length in words": b"HTTP/1.1 200 OK\r\nContent-Length: two\r\n\r\n",
    "both lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a folded line": b"HTTP/1.1 200 OK\r\nX-A: b\r\n c\r\nContent-Length: 0\r\n\r\n",
    "a space before the colon": b"HTTP/1.1 200 OK\r\nX-A : b\r\nContent-Length: 0\r\n\r\n",
    "a NUL in a header": b"HTTP/1.1 200 OK\r\nX-A: b\x00c\r\nContent-Length: 0\r\n\r\n",
    "a bare CR": b"HTTP/1.1 200 OK\r\nX-A: b\rX-B: c\r\nContent-Length: 0\r\n\r\n",
    "no HTTP": b"220 mail.example ESMTP ready\r\n\r\n",
    "nothing but bytes": bytes(range(128, 256)) * 4,
    "HTML alone": b"<html><body>hello</body></html>\r\n\r\n",
    "a request": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "TLS": b"\x15\x03\x01\x00\x02\x02\x46" * 4,
    "an empty answer": b"",
    "half a head": b"HTTP/1.1 200 OK\r\nContent-Len",
    "too much header": b"HTTP/1.1 200 OK\r\n" + b"X-A: " + b"b" * 1_000_000 + b"\r\n\r\n",
}


STRAY = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nstray"


@pytest.mark.parametrize("when", ["with it", "at rest", "unread"])
@pytest.mark.parametrize(
    ("head", "method"),
    [
        (b"204 No Content", b"GET"),
        (b"204 No Content", b"DELETE"),
        (b"304 Not Modified", b"GET"),
        (b"200 OK", b"HEAD"),
        (b"200 OK\r\nContent-Length: 0", b"HEAD"),
    ],
)
async def test_bytes_behind_an_answer_without_a_body_answer_no_call(
    head: bytes, method: bytes, when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = 0

    async def script(reader: RawReader, writer: StreamWriter) -> None:
        nonlocal asked
        while await read_request(reader):
            asked += 1
            first = asked == 1
            writer.write(b"HTTP/1.1 %b\r\n\r\n" % head if first else STRAY.replace(b"stray", b"right"))
            if first and when == "with it":
                writer.write(STRAY)

    def unread(pool: Pool, **asked_for: Any) -> Any:
        # The bytes are in the kernel as the connection is chosen, and the event loop has not seen them.
        for connection in rig.upstream.connections:
            os.write(connection.writer.get_extra_info("socket").fileno(), STRAY)
        return take(pool, **asked_for)

    take = Pool.take
    async with asyncio.timeout(10), serving(script) as rig:
        assert (await rig.call(GET.replace(b"GET", method))).status == int(head[:3])
        if when == "at rest":
            rig.upstream.connections[0].writer.write(STRAY)
            while rig.upstream.connections[0].open:
                await asyncio.sleep(0.005)
        elif when == "unread":
            monkeypatch.setattr(Pool, "take", unread)
        assert (await rig.call()).body == b"right"
        assert len(rig.upstream.connections) == 2


@pytest.mark.parametrize("name", GARBAGE)
async def test_garbage_is_a_502_and_the_next_call_is_served(name: str) -> None:
    rounds = [GARBAGE[name], b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"]

    async def script(reader: RawReader, writer: StreamWriter) -> None:
        await read_request(reader)
        writer.write(rounds.pop(0))

    async with serving(script) as rig, rig.caller() as caller:
        await caller.send(GET)
        reply = await caller.recv_response()
        assert reply.status == 502
        assert reply.headers("broker-error") == [b"upstream_protocol_error"]
        assert reply.headers("content-type") == [b"application/problem+json"]
        assert len(reply.headers("x-request-id")) == 1
        problem = json.loads(reply.body)
        assert (problem["status"], problem["code"], problem["route"]) == (502, "upstream_protocol_error", "all")
        await caller.send(GET)
        assert (await caller.recv_response()).body == b"ok"


@pytest.mark.parametrize(
    "body",
    [
        b"zz\r\nhello\r\n0\r\n\r\n",
        b"5\r\nhelloXX0\r\n\r\n",
        b"-5\r\nhello\r\n",
        b"5\nhello\n0\n\n",
        b"ffffffffffffffffff\r\n",
    ],
)
async def test_a_broken_chunk_never_makes_a_complete_answer(body: bytes) -> None:
    async with serving(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body) as rig:
        try:
            reply = await rig.call()
        except OSError:
            return
    assert reply.status == 502 or not reply.complete


SOAP = [
    (b'Content-Type: text/xml\r\nSOAPAction: "x"', b"text/xml", b"<faultcode>soap:Server</faultcode>"),
    (
        b'Content-Type: application/soap+xml; action="x"',
        b"application/soap+xml",
        b"<soap:Value>soap:Receiver</soap:Value>",
    ),
]


@pytest.mark.parametrize(("lines", "kind", "role"), SOAP)
async def test_a_soap_caller_gets_a_fault_of_its_version(lines: bytes, kind: bytes, role: bytes) -> None:
    request = b"POST /s HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n" + lines + b"\r\n\r\n<>"
    async with serving(b"HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n") as rig:
        reply = await rig.call(request)
    assert reply.status == 502
    assert reply.headers("content-type")[0].startswith(kind)
    assert role in reply.body
    assert b"<code>upstream_protocol_error</code>" in reply.body
    assert reply.headers("broker-error") == [b"upstream_protocol_error"]
