"""The raw doubles keep every byte, and tell a whole message from a cut one."""

import asyncio
import ssl
from asyncio import IncompleteReadError, StreamWriter

import pytest

from broker.testing.contexts import server_context
from broker.testing.pki import Authority
from broker.testing.raw import RawClient, RawReader, RawUpstream, read_head, read_request

OK = b"HTTP/1.1 200 OK\r\nX-Odd:  \xe9 \r\nContent-Length: 2\r\n\r\nok"
GET = b"GET /a%2Fb?x='1' HTTP/1.1\r\nhOST: localhost\r\nX-Odd: \xff\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nT: 1\r\n\r\n"


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority.create()


async def test_requests_are_recorded_byte_by_byte() -> None:
    post = b"POST /p HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc"
    async with RawUpstream(OK) as upstream, RawClient(upstream.port) as client:
        await client.send(GET + CHUNKED + post)
        for _ in range(3):
            response = await client.recv_response()
            assert response.raw == OK
    assert upstream.requests == [GET, CHUNKED, post]
    assert [connection.received for connection in upstream.connections] == [GET + CHUNKED + post]


async def test_a_response_shows_its_lines_as_sent(authority: Authority) -> None:
    context = server_context(authority.issue(), alpn=["http/1.1"])
    async with (
        RawUpstream(OK, tls=context) as upstream,
        RawClient(upstream.port, ca=authority.ca_pem, alpn=["http/1.1"]) as client,
    ):
        await client.send(GET)
        response = await client.recv_response()
        assert client.tls is not None
        assert client.tls.selected_alpn_protocol() == "http/1.1"
        assert upstream.connections[0].tls is not None
    assert response.status_line == b"HTTP/1.1 200 OK"
    assert response.header_lines == [b"X-Odd:  \xe9 ", b"Content-Length: 2"]
    assert response.headers("x-odd") == [b"\xe9"]
    assert (response.status, response.body, response.complete) == (200, b"ok", True)


async def test_interim_responses_are_kept_aside_or_returned() -> None:
    post = b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"
    async with RawUpstream(OK) as upstream, RawClient(upstream.port) as client:
        await client.send(post)
        assert (await client.recv_response(interim=True)).status == 100
        await client.send(b"hi")
        assert (await client.recv_response()).status == 200
        await client.send(post + b"hi")
        assert len((await client.recv_response()).interim) == 1
    assert upstream.requests == [post + b"hi"] * 2


async def test_a_sequence_repeats_its_last_response() -> None:
    first = OK.replace(b"ok", b"1.")
    async with RawUpstream([first, OK]) as upstream, RawClient(upstream.port) as client:
        await client.send(GET * 3)
        assert [(await client.recv_response()).body for _ in range(3)] == [b"1.", b"ok", b"ok"]


async def test_a_chunked_response_is_decoded_and_kept_raw() -> None:
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n1\r\n!\r\n0\r\n\r\n"
    async with RawUpstream(chunked) as upstream, RawClient(upstream.port) as client:
        await client.send(GET)
        response = await client.recv_response()
    assert (response.body, response.raw, response.complete) == (b"ok!", chunked, True)


async def test_a_response_to_head_has_no_body() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n"
    async with RawUpstream(head) as upstream, RawClient(upstream.port) as client:
        await client.send(b"HEAD / HTTP/1.1\r\n\r\n")
        response = await client.recv_response("HEAD")
    assert response.complete
    assert response.raw == head


@pytest.mark.parametrize(
    "cut",
    [
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 9\r\n\r\npart",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n9\r\npart",
    ],
)
async def test_a_cut_body_is_incomplete(cut: bytes) -> None:
    async with RawUpstream(cut) as upstream, RawClient(upstream.port) as client:
        await client.send(GET)
        response = await client.recv_response()
    assert (response.complete, response.body) == (False, b"part")


@pytest.mark.parametrize("orderly", [True, False])
async def test_an_unframed_body_is_whole_only_after_an_orderly_close(authority: Authority, orderly: bool) -> None:
    async def script(reader: RawReader, writer: StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\nuntil the end")
        await writer.drain()
        await asyncio.sleep(0.05)
        if not orderly:
            writer.transport.abort()

    async with (
        RawUpstream(script, tls=server_context(authority.issue())) as upstream,
        RawClient(upstream.port, ca=authority.ca_pem) as client,
    ):
        await client.send(GET)
        response = await client.recv_response()
    assert (response.body, response.complete) == (b"until the end", orderly)


async def test_a_lost_head_raises() -> None:
    async def script(reader: RawReader, writer: StreamWriter) -> None:
        await read_head(reader)

    async with RawUpstream(script) as upstream, RawClient(upstream.port) as client:
        await client.send(GET)
        with pytest.raises(IncompleteReadError):
            await client.recv_response()


async def test_a_failing_handler_fails_the_test() -> None:
    async def script(reader: RawReader, writer: StreamWriter) -> None:
        assert await read_request(reader) == b"something else"

    upstream = RawUpstream(script)
    async with RawClient((await upstream.__aenter__()).port) as client:
        await client.send(GET)
        assert await client.recv_until_close() == b""
    with pytest.raises(AssertionError):
        await upstream.__aexit__(None, None, None)


async def test_a_cut_request_is_received_but_no_request() -> None:
    async with RawUpstream(OK) as upstream:
        async with RawClient(upstream.port) as client:
            await client.send(GET[:20])
            await client.abort()
        while not upstream.connections or upstream.connections[0].open:
            await asyncio.sleep(0.01)
    assert upstream.requests == []


async def test_the_client_checks_the_authority_and_the_name(authority: Authority) -> None:
    async with RawUpstream(OK, tls=server_context(authority.issue(["localhost"]))) as upstream:
        for options in ({"ca": Authority.create("Other").ca_pem}, {"server_hostname": "other.test"}):
            with pytest.raises(ssl.SSLCertVerificationError):
                async with RawClient(upstream.port, **({"ca": authority.ca_pem} | options)):
                    pass


async def test_a_client_certificate_can_be_demanded(authority: Authority) -> None:
    context = server_context(authority.issue(), client_ca=authority.ca_pem)
    identity = authority.issue_client("fno")
    async with (
        RawUpstream(OK, tls=context) as upstream,
        RawClient(upstream.port, ca=authority.ca_pem, identity=identity) as client,
    ):
        await client.send(GET)
        assert (await client.recv_response()).status == 200
        tls = upstream.connections[0].tls
        assert tls is not None
        assert tls.getpeercert()["subject"] == ((("commonName", "fno"),),)


async def test_an_upstream_stops_with_connections_open_and_starts_again_on_its_port() -> None:
    async with RawUpstream(OK) as upstream:
        client = await RawClient(upstream.port).__aenter__()
        await client.send(GET)
        await client.recv_response()
        port = upstream.port
        await upstream.stop()
        async with upstream:
            assert upstream.port == port
    assert await client.recv_until_close() == b""
    await client.close()
