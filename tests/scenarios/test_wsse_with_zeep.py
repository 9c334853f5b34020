"""A SOAP client that knows no WS-Security reaches a service that insists on it."""

import tracemalloc
from collections.abc import Iterator
from http.client import HTTPSConnection
from pathlib import Path
from typing import Any

import pytest
import requests
import zeep
from scenario_broker import Broker, Start
from wsse_service import SOAP_11, WsseService, running
from zeep.wsse.username import UsernameToken

from broker.testing.contexts import client_context

PASSWORD = "pä<55>&wörd"


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[WsseService]:
    monkeypatch.setenv("WSSE_PASSWORD", PASSWORD)
    with running(WsseService("wms & söhne", PASSWORD)) as started:
        yield started


def through(start: Start, service: WsseService, **settings: Any) -> Broker:
    credentials = {"type": "wsse", "username": "wms & söhne", "password": "env:WSSE_PASSWORD", **settings}
    return start({"soap": {"targets": [f"http://127.0.0.1:{service.port}"]}}, credentials=credentials)


def session(tmp_path: Path, broker: Broker) -> requests.Session:
    trusted = tmp_path / "broker-ca.pem"
    trusted.write_text(broker.ca_pem)
    calls = requests.Session()
    calls.trust_env = False
    calls.verify = str(trusted)
    return calls


def client(tmp_path: Path, broker: Broker, port: str, **options: Any) -> Any:
    """A zeep client that gets the WSDL and makes its calls through the broker."""
    base = f"https://127.0.0.1:{broker.port}/soap"
    made = zeep.Client(f"{base}/?wsdl", transport=zeep.Transport(session=session(tmp_path, broker)), **options)
    return made.create_service(f"{{urn:echo}}{port.replace('P', 'Echo')}", f"{base}/echo")


@pytest.mark.parametrize("password_type", ["digest", "text"])
@pytest.mark.parametrize("port", ["P11", "P12"])
def test_zeep_calls_a_service_that_wants_a_token(
    tmp_path: Path, start: Start, service: WsseService, password_type: str, port: str
) -> None:
    with_zeep = client(tmp_path, through(start, service, password_type=password_type), port)
    assert [with_zeep.echo(f"quote {n} ä") for n in range(3)] == [f"quote {n} ä" for n in range(3)]
    assert (PASSWORD.encode() in b"".join(service.bodies)) is False
    assert len(service.nonces) == (3 if password_type == "digest" else 0)


def test_the_callers_own_token_is_replaced(tmp_path: Path, start: Start, service: WsseService) -> None:
    theirs = UsernameToken("somebody", "else", use_digest=True)
    assert client(tmp_path, through(start, service), "P11", wsse=theirs).echo("hi") == "hi"


def test_the_callers_own_token_is_kept_where_that_is_wanted(tmp_path: Path, start: Start, service: WsseService) -> None:
    with_zeep = client(tmp_path, through(start, service, existing="keep"), "P11", wsse=UsernameToken("some", "body"))
    with pytest.raises(zeep.exceptions.Fault):
        with_zeep.echo("hi")
    assert b">some<" in service.bodies[-1]
    assert b"wms" not in service.bodies[-1]


def test_a_wrong_password_is_the_services_fault_to_report(
    tmp_path: Path, start: Start, service: WsseService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WSSE_PASSWORD", "wrong")
    with pytest.raises(zeep.exceptions.Fault, match="no"):
        client(tmp_path, through(start, service), "P11").echo("hi")


def test_bodies_with_a_length_keep_it_and_chunked_ones_stay_chunked(
    tmp_path: Path, start: Start, service: WsseService
) -> None:
    broker = through(start, service)
    envelope = f'<e:Envelope xmlns:e="{SOAP_11}"><e:Body>hi</e:Body></e:Envelope>'.encode()
    calls = session(tmp_path, broker)
    url = f"https://127.0.0.1:{broker.port}/soap/echo"
    assert b"hi" in calls.post(url, data=envelope, headers={"Content-Type": "text/xml"}).content
    assert service.heads[-1]["content-length"] == str(len(service.bodies[-1]))
    pieces = iter([envelope[:7], envelope[7:60], envelope[60:]])
    assert b"hi" in calls.post(url, data=pieces, headers={"Content-Type": "text/xml"}).content
    assert service.heads[-1]["transfer-encoding"] == "chunked"
    assert "content-length" not in service.heads[-1]


def test_a_large_body_streams(start: Start, service: WsseService) -> None:
    broker = through(start, service)
    begin = f'<e:Envelope xmlns:e="{SOAP_11}"><e:Body><q>'.encode()
    size, most = 50 << 20, 12 << 20

    def pieces() -> Iterator[bytes]:
        yield begin
        for _ in range(size >> 16):
            yield bytes(1 << 16)

    for framing in ({"Content-Length": str(len(begin) + size)}, {}):
        caller = HTTPSConnection("127.0.0.1", broker.port, context=client_context(broker.ca_pem), timeout=60)
        tracemalloc.start()
        try:
            caller.request("POST", "/soap/count", pieces(), {"Content-Type": "text/xml", **framing})
            counted = caller.getresponse().read()
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
            caller.close()
        assert int(counted) > len(begin) + size
        assert peak < most


@pytest.mark.parametrize(
    ("body", "detail"),
    [(b"{}", "no well-formed XML"), (b"<a/>", "no SOAP envelope"), (b"\x1f\x8b\x08\x00", "gzip")],
)
def test_what_is_no_envelope_never_reaches_the_service(
    tmp_path: Path, start: Start, service: WsseService, body: bytes, detail: str
) -> None:
    broker = through(start, service)
    answer = session(tmp_path, broker).post(f"https://127.0.0.1:{broker.port}/soap/echo", data=body)
    assert (answer.status_code, answer.headers["Broker-Error"]) == (400, "bad_request")
    assert detail in answer.json()["detail"]
    assert service.bodies == []
