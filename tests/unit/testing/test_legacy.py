"""The legacy endpoint is real: old TLS, Basic authentication, SOAP and REST, and it survives abuse."""

import base64
import http.client
import json
import socket
import ssl
from collections.abc import Iterator
from contextlib import closing, suppress
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from broker.testing.contexts import client_context
from broker.testing.legacy import LegacyEndpoint, soap
from broker.testing.pki import Authority, Issued

BASIC = "Basic " + base64.b64encode(b"warehouse:warehouse").decode()
AUTH = {"Authorization": BASIC}
SOAP_11 = {**AUTH, "Content-Type": "text/xml; charset=utf-8", "SOAPAction": f'"{soap.ACTION}"'}


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority.create("Legacy CA", key="rsa2048")


@pytest.fixture(scope="module")
def identity(authority: Authority) -> Issued:
    return authority.issue(key="rsa1024", digest="sha1")


@pytest.fixture
def old(identity: Issued) -> Iterator[LegacyEndpoint]:
    with LegacyEndpoint(identity) as endpoint:
        yield endpoint


@pytest.fixture
def plain() -> Iterator[LegacyEndpoint]:
    with LegacyEndpoint(max_body=1000) as endpoint:
        yield endpoint


def ask(endpoint: LegacyEndpoint, method: str, path: str, body: bytes | None = None, **headers: Any) -> Any:
    with closing(http.client.HTTPConnection("127.0.0.1", endpoint.port, timeout=5)) as connection:
        connection.request(method, path, body, headers or AUTH)
        response = connection.getresponse()
        response.content = response.read()  # type: ignore[attr-defined]
        return response


def say(endpoint: LegacyEndpoint, data: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", endpoint.port), timeout=5) as connection:
        with suppress(OSError):
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def test_a_tls_1_2_client_is_refused_and_a_tls_1_0_client_is_not(old: LegacyEndpoint, authority: Authority) -> None:
    modern = client_context(authority.ca_pem, ciphers="ALL:@SECLEVEL=0")
    with (
        socket.create_connection(("127.0.0.1", old.port), timeout=5) as raw,
        pytest.raises(ssl.SSLError, match="protocol version"),
    ):
        modern.wrap_socket(raw, server_hostname="localhost")
    ancient = client_context(
        authority.ca_pem,
        minimum=ssl.TLSVersion.TLSv1,
        maximum=ssl.TLSVersion.TLSv1,
        ciphers="ALL:@SECLEVEL=0",
    )
    connection = http.client.HTTPSConnection("localhost", old.port, context=ancient, timeout=5)
    with closing(connection):
        for _ in range(2):
            connection.request("GET", "/api/items", headers=AUTH)
            response = connection.getresponse()
            assert response.status == 200
            assert len(json.loads(response.read())) == 3
    assert [version for version, _ in old.handshakes] == ["TLSv1"]


def test_a_silent_peer_and_a_babbling_one_delay_nobody(old: LegacyEndpoint, authority: Authority) -> None:
    with socket.create_connection(("127.0.0.1", old.port)):
        say(old, b"GET / HTTP/1.1\r\n\r\n")
        test_a_tls_1_2_client_is_refused_and_a_tls_1_0_client_is_not(old, authority)


@pytest.mark.parametrize("given", ["", "Basic", "Basic d3Jvbmc6d3Jvbmc=", "Bearer x", "Basic \xff"])
def test_wrong_credentials_are_401(plain: LegacyEndpoint, given: str) -> None:
    response = ask(plain, "GET", "/api/items", Authorization=given)
    assert response.status == 401
    assert response.getheader("WWW-Authenticate") == 'Basic realm="warehouse"'


@pytest.mark.parametrize("path", ["/", "/api/nothing", "/Services/", "/%00", "/api/items/9", "/../etc/passwd"])
def test_unknown_paths_are_404(plain: LegacyEndpoint, path: str) -> None:
    assert ask(plain, "GET", path).status == 404


def test_soap_1_1_gives_a_price(plain: LegacyEndpoint) -> None:
    response = ask(plain, "POST", soap.PATH, soap.envelope("MSFT"), **SOAP_11)
    assert response.status == 200
    assert response.getheader("Content-Type") == "text/xml; charset=utf-8"
    assert ET.fromstring(response.content).findtext(f".//{{{soap.NAMESPACE}}}price") == "412.35"


def test_soap_1_2_gives_a_price(plain: LegacyEndpoint) -> None:
    content_type = f'application/soap+xml; charset=utf-8; action="{soap.ACTION}"'
    body = soap.envelope("CONTOSO", soap12=True)
    response = ask(plain, "POST", soap.PATH, body, **AUTH, **{"Content-Type": content_type})
    assert (response.status, b"27.10" in response.content) == (200, True)


@pytest.mark.parametrize(
    ("body", "headers", "reason"),
    [
        (soap.envelope("MSFT"), {"SOAPAction": '"<\x01&other"'}, "Server did not recognize"),
        (soap.envelope("<&"), {}, "Unknown symbol"),
        (b"<oops", {}, "not well-formed"),
        (b'<?xml version="1.0" encoding="nonsense"?><a/>', {}, "not well-formed"),
        (b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", {}, "document type"),
        (soap.envelope("MSFT", soap12=True), {}, "An envelope"),
    ],
)
def test_a_wrong_call_is_a_fault(plain: LegacyEndpoint, body: bytes, headers: dict[str, str], reason: str) -> None:
    response = ask(plain, "POST", soap.PATH, body, **{**SOAP_11, **headers})
    assert response.status == 500
    assert reason in (ET.fromstring(response.content).findtext(".//faultstring") or "")


def test_the_wsdl_names_the_host_it_was_asked_at(plain: LegacyEndpoint) -> None:
    response = ask(plain, "GET", soap.PATH.lower() + "?WSDL", **AUTH, Host="wms.contoso.com:8080")
    address = ET.fromstring(response.content).find(".//{http://schemas.xmlsoap.org/wsdl/soap/}address")
    assert address is not None
    assert address.get("location") == f"http://wms.contoso.com:8080{soap.PATH}"
    odd = ask(plain, "GET", soap.PATH + "?wsdl", **AUTH, Host='"><script>')
    assert b"script" not in odd.content


def test_an_order_is_created_and_found_again(plain: LegacyEndpoint) -> None:
    response = ask(plain, "POST", "/api/orders", b'{"item": "1001", "quantity": 2}')
    assert response.status == 201
    location = f"http://127.0.0.1:{plain.port}/api/orders/1"
    assert response.getheader("Location") == location
    assert json.loads(ask(plain, "GET", "/api/orders/1").content) == json.loads(response.content)


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"\xff", b"[" * 900, b'{"item": [], "quantity": 1}', b'{"item": "1001", "quantity": true}'],
)
def test_a_bad_order_is_400(plain: LegacyEndpoint, body: bytes) -> None:
    assert ask(plain, "POST", "/api/orders", body).status == 400


def test_a_wrong_method_is_405(plain: LegacyEndpoint) -> None:
    assert ask(plain, "DELETE", "/api/items").getheader("Allow") == "GET, HEAD"
    assert ask(plain, "PUT", soap.PATH).status == 405
    assert ask(plain, "GET", "/api/orders/").status == 405


def _post(framing: str, body: bytes, extra: str = "") -> bytes:
    head = f"POST /api/orders HTTP/1.1\r\nHost: a\r\nAuthorization: {BASIC}\r\n{framing}\r\n{extra}\r\n"
    return head.encode() + body


def test_a_chunked_body_is_read_and_the_connection_kept(plain: LegacyEndpoint) -> None:
    body = b'11;x=y\r\n{"item": "1000", \r\nd\r\n"quantity": 1\r\n1\r\n}\r\n0\r\nT: 1\r\n\r\n'
    answers = say(plain, _post("Transfer-Encoding: chunked", body) * 2)
    assert answers.count(b"HTTP/1.1 201 ") == 2


def test_expect_is_answered_before_the_body(plain: LegacyEndpoint) -> None:
    head = _post("Content-Length: 31", b"", "Expect: 100-continue\r\n")
    with socket.create_connection(("127.0.0.1", plain.port), timeout=5) as connection:
        connection.sendall(head)
        assert connection.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b'{"item": "1001", "quantity": 2}')
        assert connection.recv(1000).startswith(b"HTTP/1.1 201 ")


@pytest.mark.parametrize(
    ("framing", "extra", "body"),
    [
        ("Content-Length: 1001", "", b"x" * 1001),
        ("Content-Length: 1001", "Expect: 100-continue\r\n", b""),
        ("Transfer-Encoding: chunked", "", b"3e9\r\n" + b"x" * 1001),
        ("Transfer-Encoding: chunked", "", b"ffffffffffffffff\r\n"),
    ],
)
def test_an_oversized_body_is_413(plain: LegacyEndpoint, framing: str, extra: str, body: bytes) -> None:
    answer = say(plain, _post(framing, body, extra))
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"Connection: close" in answer
    assert answer.count(b"HTTP/1.1") == 1


@pytest.mark.parametrize(
    ("framing", "body"),
    [
        ("Content-Length: 2\r\nContent-Length: 3", b"ab"),
        ("Content-Length: +2", b"ab"),
        ("Content-Length: 2\r\nTransfer-Encoding: chunked", b"0\r\n\r\n"),
        ("Transfer-Encoding: gzip", b"0\r\n\r\n"),
        ("Transfer-Encoding: chunked", b"-1\r\n\r\n"),
        ("Transfer-Encoding: chunked", b"1\r\nabc\r\n"),
        ("Transfer-Encoding: chunked", b"1" * 5000),
        ("Transfer-Encoding: chunked", b"0\r\n" + b"a: b\r\n" * 101),
    ],
)
def test_bad_framing_is_400(plain: LegacyEndpoint, framing: str, body: bytes) -> None:
    assert say(plain, _post(framing, body)).startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("junk", [b"", b"\r\n", b"\x00\xff\r\n\r\n", b"GET", b"A" * 70000, b"GET / HTTP/9.9\r\n\r\n"])
def test_junk_does_no_harm(plain: LegacyEndpoint, junk: bytes, capfd: pytest.CaptureFixture[str]) -> None:
    say(plain, junk)
    assert ask(plain, "GET", "/api/items").status == 200
    assert capfd.readouterr().err == ""


def test_it_stops_with_connections_open(plain: LegacyEndpoint) -> None:
    with socket.create_connection(("127.0.0.1", plain.port), timeout=5) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n")
        ask(plain, "GET", "/api/items")
        plain.stop()
        assert connection.recv(100) == b""


def test_it_records_what_it_was_asked(plain: LegacyEndpoint) -> None:
    ask(plain, "POST", "/api/items?a=%2F", b"x")
    call = plain.calls[-1]
    assert (call.method, call.target, call.body) == ("POST", "/api/items?a=%2F", b"x")
    assert call.header("authorization") == BASIC
