"""Every error is an answer that its caller can read."""

import json
from collections.abc import Callable
from xml.etree import ElementTree as ET

import pytest

from broker.core.errors import KINDS, BrokerError
from broker.core.exchange import Exchange
from broker.respond import render

Call = Callable[..., Exchange]
SOAP11 = {"soap_action": b'"urn:x"', "content_type": b"text/xml; charset=utf-8"}
SOAP12 = {"content_type": b'application/soap+xml; action="urn:x"'}
NS11 = "{http://schemas.xmlsoap.org/soap/envelope/}"
NS12 = "{http://www.w3.org/2003/05/soap-envelope}"
PROBLEM = "{urn:ietf:rfc:7807}"
NASTY = '<a> & "b" ]]> \x00\x1b é \ufffe'


def answer(exchange: Exchange, error: BrokerError) -> tuple[str, dict[str, str], bytes]:
    render(exchange, error)
    first, *lines = exchange.caller_side.head.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
    return (
        first,
        {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)},
        exchange.caller_side.body,
    )


@pytest.mark.parametrize("code", KINDS)
def test_every_code_is_problem_json_with_the_documented_members(call: Call, code: str) -> None:
    first, headers, body = answer(call(), BrokerError(code))
    problem = json.loads(body)
    assert first.startswith(f"HTTP/1.1 {KINDS[code].status} ")
    assert headers["content-type"] == "application/problem+json"
    assert headers["broker-error"] == problem["code"] == code
    assert headers["x-request-id"] == problem["request_id"] == "id-1"
    assert int(headers["content-length"]) == len(body)
    assert set(problem) == {"type", "title", "status", "detail", "code", "request_id", "route"}


@pytest.mark.parametrize("code", KINDS)
def test_every_code_is_a_soap_1_1_fault(call: Call, code: str) -> None:
    _, headers, body = answer(call(**SOAP11), BrokerError(code))
    fault = ET.fromstring(body).find(f"{NS11}Body/{NS11}Fault")
    assert headers["content-type"] == "text/xml; charset=utf-8"
    assert [child.tag for child in fault] == ["faultcode", "faultstring", "detail"]
    assert fault.findtext("faultcode") == ("soap:Client" if KINDS[code].source == "caller" else "soap:Server")
    assert fault.findtext(f"detail/{PROBLEM}problem/{PROBLEM}code") == code


@pytest.mark.parametrize("code", KINDS)
def test_every_code_is_a_soap_1_2_fault(call: Call, code: str) -> None:
    _, headers, body = answer(call(**SOAP12), BrokerError(code))
    fault = ET.fromstring(body).find(f"{NS12}Body/{NS12}Fault")
    assert headers["content-type"] == "application/soap+xml; charset=utf-8"
    assert [child.tag for child in fault] == [f"{NS12}Code", f"{NS12}Reason", f"{NS12}Detail"]
    role = "soap:Sender" if KINDS[code].source == "caller" else "soap:Receiver"
    assert fault.findtext(f"{NS12}Code/{NS12}Value") == role
    assert fault.findtext(f"{NS12}Detail/{PROBLEM}problem/{PROBLEM}status") == str(KINDS[code].status)


@pytest.mark.parametrize("kind", [SOAP11, SOAP12])
def test_any_text_in_a_fault_stays_text(call: Call, kind: dict[str, bytes]) -> None:
    _, _, body = answer(call(**kind), BrokerError("bad_request", NASTY))
    (detail,) = ET.fromstring(body).iter(f"{PROBLEM}detail")
    assert detail.text == '<a> & "b" ]]> \ufffd\ufffd é \ufffd'


def test_any_text_in_a_problem_stays_text(call: Call) -> None:
    assert json.loads(answer(call(), BrokerError("bad_request", NASTY))[2])["detail"] == NASTY


def test_the_cause_is_for_the_log_only(call: Call) -> None:
    for kind in ({}, SOAP11, SOAP12):
        exchange = call(**kind)
        answer(exchange, BrokerError("upstream_connect_failed", cause="10.0.0.12"))
        assert b"10.0.0.12" not in exchange.caller_side.head + exchange.caller_side.body


def test_head_is_answered_without_a_body_but_with_its_length(call: Call) -> None:
    _, headers, body = answer(call(method=b"HEAD"), BrokerError("no_route"))
    assert body == b""
    assert int(headers["content-length"]) > 0


def test_an_error_brings_its_own_header_lines(call: Call) -> None:
    _, headers, _ = answer(call(), BrokerError("rate_limited", headers=(("Retry-After", "7"),)))
    assert headers["retry-after"] == "7"


def test_a_connection_that_ends_says_so(call: Call) -> None:
    exchange = call()
    exchange.close = True
    assert answer(exchange, BrokerError("bad_request"))[1]["connection"] == "close"
