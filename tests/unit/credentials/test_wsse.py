"""A UsernameToken is fresh for each attempt, and the body around it passes as it comes."""

import asyncio
import hashlib
from base64 import b64decode
from datetime import UTC, datetime
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from pydantic import TypeAdapter, ValidationError

from broker.config.model import OneCredential
from broker.core.body import Body
from broker.core.errors import BrokerError
from broker.core.ports import Reference
from broker.core.secret import Secret, SecretUnavailable
from broker.credentials.build import build_injector
from broker.credentials.flow import Await, Call, Injector, Seen, Send
from broker.credentials.wsse import WsseInjector
from broker.credentials.wsse_layout import SOAP_11, SOAP_12, WSSE
from broker.credentials.wsse_token import WSU, Manner, SecurityWriter
from broker.secretstore.fixed import FixedSource

NOW = datetime(2026, 3, 1, 12, 0, 0, 123456, UTC)
ENVELOPE = f'<s:Envelope xmlns:s="{SOAP_11}"><s:Body><q/></s:Body></s:Envelope>'.encode()
SETTINGS = {"type": "wsse", "username": "wms", "password": "env:PASSWORD"}


class Changing:
    """A secret that another value waits behind."""

    def __init__(self, *values: bytes) -> None:
        self._values = list(values)
        self.version = 1

    def current(self) -> Secret:
        return Secret(self._values[0])

    async def renew(self, seen: int | None = None) -> bool:
        if len(self._values) > 1:
            self._values.pop(0)
            self.version += 1
        return self.version != seen


class Source:
    """Feeds a body, and is told to stop."""

    def __init__(self) -> None:
        self.paused = False

    def pause_body(self) -> None:
        self.paused = True

    def resume_body(self) -> None:
        self.paused = False


class Sink:
    def __init__(self) -> None:
        self.data = b""
        self.ended: object = None

    def write(self, data: bytes) -> None:
        self.data += data

    def finish(self) -> None:
        self.ended = True

    def fail(self, error: Exception) -> None:
        self.ended = error


def writer(password: Any = b"s3cret", **manner: Any) -> SecurityWriter:
    source = FixedSource(Secret(password)) if isinstance(password, bytes) else password
    return SecurityWriter(lambda: b"wms", source, Manner(**manner), now=lambda: NOW)


def injector(**settings: Any) -> Injector:
    def source(_: Reference) -> FixedSource:
        return FixedSource(Secret(b"s3cret"))

    built = build_injector([TypeAdapter[Any](OneCredential).validate_python(SETTINGS | settings)], source)
    assert built is not None
    return built


async def transformed(one: Injector, body: bytes, length: int | None) -> tuple[bytes, int | None]:
    under, sink = Body(Source()), Sink()
    under.feed(body)
    under.finish()
    assert one.transform is not None
    out, size = await one.transform(under, b"text/xml", length)
    out.drain(sink)
    assert sink.ended is True
    return sink.data, size


def element(text: str) -> Any:
    return ET.fromstring(text)


def test_the_digest_is_that_of_the_profile() -> None:
    token = element(writer().element(SOAP_11)).find(f"{{{WSSE}}}UsernameToken")
    nonce, created = b64decode(token.findtext(f"{{{WSSE}}}Nonce")), token.findtext(f"{{{WSU}}}Created")
    assert created == "2026-03-01T12:00:00.123Z"
    assert len(nonce) == 16
    expected = hashlib.sha1(nonce + created.encode() + b"s3cret").digest()
    assert b64decode(token.findtext(f"{{{WSSE}}}Password")) == expected


def test_a_timestamp_says_until_when() -> None:
    stamp = element(writer(ttl=90.0).element(SOAP_11)).find(f"{{{WSU}}}Timestamp")
    assert [child.text for child in stamp] == ["2026-03-01T12:00:00.123Z", "2026-03-01T12:01:30.123Z"]
    assert element(writer(timestamp=False).element(SOAP_11)).find(f"{{{WSU}}}Timestamp") is None


def test_a_password_in_text_is_escaped_and_in_ascii() -> None:
    text = writer("<&>\"'ä€\r".encode(), digest=False).element(SOAP_11)
    assert text.isascii()
    password = element(text).find(f"{{{WSSE}}}UsernameToken/{{{WSSE}}}Password")
    assert password.text == "<&>\"'ä€\r"
    assert password.get("Type").endswith("#PasswordText")


def test_identifiers_and_nonces_are_new_each_time() -> None:
    one = writer()
    texts = [one.element(SOAP_11) for _ in range(20)]
    ids = [e.get(f"{{{WSU}}}Id") for text in texts for e in element(text)]
    assert len(set(ids)) == len(ids) == 40
    assert len({element(text).findtext(f".//{{{WSSE}}}Nonce") for text in texts}) == 20


@pytest.mark.parametrize(("soap", "name"), [(SOAP_11, "actor"), (SOAP_12, "role")])
def test_whom_the_header_is_for_stands_in_the_words_of_the_version(soap: str, name: str) -> None:
    header = element(writer(actor='urn:"1', role='urn:"1').element(soap))
    assert header.get(f"{{{soap}}}{name}") == 'urn:"1'
    assert header.get(f"{{{soap}}}mustUnderstand") == "1"
    plain = element(writer(must_understand=False).element(soap))
    assert plain.attrib == {}


@pytest.mark.parametrize("password", [b"\xff", b"a\x00b", b"\xef\xbf\xbf"])
def test_a_password_that_no_document_may_hold_is_refused_and_not_repeated(password: bytes) -> None:
    with pytest.raises(SecretUnavailable) as caught:
        writer(password, digest=False).element(SOAP_11)
    assert "password for WS-Security" in str(caught.value)


async def test_the_length_is_right_and_unknown_lengths_stay_unknown() -> None:
    out, length = await transformed(injector(), ENVELOPE, len(ENVELOPE))
    assert length == len(out) > len(ENVELOPE)
    assert out.endswith(b"<s:Body><q/></s:Body></s:Envelope>")
    assert (await transformed(injector(), ENVELOPE, None))[1] is None


async def test_the_rest_waits_for_whoever_takes_it() -> None:
    source = Source()
    under, sink = Body(source), Sink()
    one = injector()
    assert one.transform is not None
    transforming = asyncio.create_task(one.transform(under, b"text/xml", None))
    await asyncio.sleep(0)
    under.feed(ENVELOPE[:40])
    await asyncio.sleep(0)
    assert not transforming.done()
    under.feed(ENVELOPE[40:])
    out, _ = await transforming
    for _ in range(3):
        under.feed(bytes(40_000))
    assert source.paused
    out.drain(sink)
    assert not source.paused
    under.feed(b"more")
    assert sink.data.endswith(bytes(120_000) + b"more")
    under.fail(ValueError("cut"))
    assert isinstance(sink.ended, ValueError)


async def test_a_body_that_breaks_off_early_is_the_callers_fault() -> None:
    under, one = Body(Source()), injector()
    assert one.transform is not None
    transforming = asyncio.create_task(one.transform(under, b"text/xml", None))
    await asyncio.sleep(0)
    under.feed(ENVELOPE[:50])
    under.fail(ValueError("cut"))
    with pytest.raises(BrokerError, match="broke off"):
        await transforming


async def test_an_unusable_body_is_let_go() -> None:
    class Watched(Body):
        __slots__ = ("let_go",)

        def abandon(self) -> None:
            self.let_go = True

    under, one = Watched(Source()), injector()
    under.feed(b"<a/>")
    assert one.transform is not None
    with pytest.raises(BrokerError, match="no SOAP envelope"):
        await one.transform(under, b"text/xml", 4)
    assert under.let_go
    under.feed(b"more")
    under.finish()


async def test_a_secret_that_cannot_be_had_is_no_fault_of_the_caller() -> None:
    class Missing(FixedSource):
        def current(self) -> Secret:
            raise SecretUnavailable("env:PASSWORD is not set")

    one = WsseInjector(writer(Missing(Secret(b""))), [])
    with pytest.raises(BrokerError, match="credentials_unavailable") as caught:
        await transformed(one, ENVELOPE, None)
    assert caught.value.cause == "env:PASSWORD is not set"


def call(*, has_body: bool = True) -> Call:
    return Call(b"POST", b"/", b"host", has_body=has_body)


async def test_a_rotated_password_is_tried_once() -> None:
    source = Changing(b"old", b"new")
    one = WsseInjector(writer(source), [source])
    flow = one.flow(call())
    first = next(flow)
    assert isinstance(first, Send)
    assert 500 in first.watch
    step = flow.send(Seen(500, [], b"<faultcode>wsse:FailedAuthentication</faultcode>"))
    assert isinstance(step, Await)
    assert isinstance(flow.send(await step.what()), Send)
    with pytest.raises(StopIteration):
        flow.send(Seen(500, [], b"wsse:FailedAuthentication"))


@pytest.mark.parametrize("seen", [Seen(500, [], b"<faultcode>Server</faultcode>"), Seen(400, [])])
def test_other_faults_stand(seen: Seen) -> None:
    flow = injector().flow(call())
    next(flow)
    with pytest.raises(StopIteration):
        flow.send(seen)


def test_a_request_without_a_body_asks_for_nothing() -> None:
    flow = injector().flow(call(has_body=False))
    assert next(flow) == Send(watch=frozenset())


def test_it_goes_together_with_other_credentials() -> None:
    def source(_: Reference) -> FixedSource:
        return FixedSource(Secret(b"s3cret"))

    adapter = TypeAdapter[Any](list[OneCredential])
    both = adapter.validate_python([SETTINGS, {"type": "basic", "username": "u", "password": "env:P"}])
    built = build_injector(both, source)
    assert built is not None
    assert built.transform is not None
    assert built.fields == {b"authorization"}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"ttl": "5m", "timestamp": False}, "ttl says how long the timestamp counts"),
        ({"ttl": 0}, "longer than 0"),
        ({"password": "hunter2"}, "literal secrets are not allowed"),
        ({"actor": ""}, "expected a URI"),
        ({"role": "a b"}, "expected a URI"),
        ({"password_type": "plain"}, "'digest' or 'text'"),
    ],
)
def test_wrong_settings_are_named(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter[Any](OneCredential).validate_python(SETTINGS | settings)
    [found] = caught.value.errors(include_input=False)
    assert message in found["msg"]
    assert "hunter2" not in str(found)
