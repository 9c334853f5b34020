"""What a route asks of the head: an action that two readers could read in two ways is none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.core.heads import RequestHead
from broker.http1.limits import HeadLimits
from broker.http1.request_parser import RequestParser
from broker.routing.conditions import Conditions, soap_action

READ = Conditions(action=b"urn:Read")
SOAP_12 = b"Content-Type: application/soap+xml"


def head_of(*lines: bytes) -> RequestHead:
    taken: list[RequestHead] = []

    class Sink:
        def on_request(self, head: RequestHead) -> None:
            taken.append(head)

        def on_request_data(self, data: bytes) -> None: ...

        def on_request_end(self) -> None: ...

    parser = RequestParser(Sink(), HeadLimits())
    parser.feed(b"\r\n".join([b"POST /svc HTTP/1.1", b"Host: a", *lines, b"", b""]))
    return taken[0]


@pytest.mark.parametrize(
    "lines",
    [
        (b'SOAPAction: "urn:Read"',),
        (b"SOAPAction: urn:Read", b"Content-Type: text/xml; charset=utf-8;"),
        (b"SOAPAction: urn:Read", b'Content-Type: text/xml; charset="utf-8" ; action="urn:Read"'),
        (SOAP_12 + b'; charset=utf-8; action="urn:Read"',),
        (SOAP_12 + b" ; ACTION = urn:Read;; charset=utf-8 ;",),
        (SOAP_12 + b'; start="; action=urn:Delete"; action="urn:Read"',),
        (SOAP_12 + b'; start="\\"; action=urn:Delete"; action="urn:Read"',),
        (SOAP_12 + b'; action="urn:Read"', b'SOAPAction: "urn:Read"'),
        (b"SOAPAction: urn:Read", b'Content-Type: multipart/related; start-info="transactions"; boundary=x'),
    ],
)
def test_an_action_is_found_where_it_stands(lines: tuple[bytes, ...]) -> None:
    assert READ.hold(head_of(*lines))


@pytest.mark.parametrize(
    "lines",
    [
        (),
        (b"SOAPAction: urn:Delete",),
        (b"SOAPAction: urn:Read", b"SOAPAction: urn:Delete"),
        (b"SOAPAction: urn:Read", b"soapaction: urn:Read"),
        (SOAP_12 + b"; action=urn:Read", SOAP_12 + b"; action=urn:Delete"),
        (SOAP_12 + b"; action=urn:Read", b"Content-Type: text/xml"),
        (SOAP_12 + b'; start="; action=urn:Read"; action="urn:Delete"',),
        (SOAP_12 + b'; start="; action=urn:Read"',),
        (SOAP_12 + b"; action=urn:Read; action=urn:Delete",),
        (SOAP_12 + b"; action=urn:Read; action*=utf-8''urn:Delete",),
        (SOAP_12 + b'; action="urn:Read',),
        (SOAP_12 + b'; action="urn:Read", text/xml',),
        (SOAP_12 + b'; action="urn:Read"; a"',),
        (SOAP_12 + b'; action="urn:Read"', b"SOAPAction: urn:Delete"),
        (b"SOAPAction: urn:Read", b'Content-Type: text/xml; action="urn:Delete"'),
        (b"SOAPAction: urn:Read", b"Content-Type: application/soap+xml"),
        (SOAP_12 + b"x; action=urn:Read",),
    ],
)
def test_what_two_readers_could_read_in_two_ways_is_no_action(lines: tuple[bytes, ...]) -> None:
    assert not READ.hold(head_of(*lines))


@given(st.lists(st.sampled_from([b";", b"action", b"=", b'"', b"\\", b" ", b"a", b"urn:Read", b"*", b",", b"\t"])))
def test_whatever_stands_behind_the_media_type_raises_nothing(parts: list[bytes]) -> None:
    head = RequestHead(b"POST", b"/", False, [], content_type=b"application/soap+xml" + b"".join(parts))
    assert soap_action(head) is None or b"action" in b"".join(parts)


def test_a_header_that_also_has_another_value_does_not_have_the_one_asked_for() -> None:
    company = Conditions(headers=((b"x-company", b"U"),))
    assert company.hold(head_of(b"X-Company: U"))
    assert company.hold(head_of(b"X-Company: U", b"x-company:  U "))
    assert not company.hold(head_of(b"X-Company: U", b"X-Company: V"))
    assert not company.hold(head_of())
