"""Configured credentials become header lines that are safe to send, and follow their secrets."""

import asyncio
from base64 import b64decode
from typing import Any

import pytest

from broker.config.model import (
    ApiKeyCredentials,
    BasicCredentials,
    BearerCredentials,
    ClientCertificateCredentials,
    HeaderCredentials,
)
from broker.core.ports import Reference, SecretSource
from broker.core.secret import Secret, SecretUnavailable
from broker.credentials.build import build_injector
from broker.credentials.combined import Combined
from broker.credentials.flow import Await, Call, Fetch, Flow, Injector, Seen, Send
from broker.secretstore.fixed import FixedSource

VALUES = {"USER": "wms", "PASSWORD": "pä:ss", "TOKEN": "abc.def", "EVIL": "a\r\nX: y", "COLON": "a:b", "KEY": "a&b c"}
CALL = Call(b"GET", b"/", b"legacy.test")


def source(reference: Reference) -> SecretSource:
    return FixedSource(Secret(VALUES[reference.rest].encode()))


def built(*credentials: Any) -> Injector:
    injector = build_injector(credentials, source)
    assert injector is not None
    return injector


def sent(*credentials: Any) -> Send:
    step = next(built(*credentials).flow(CALL))
    assert isinstance(step, Send)
    return step


@pytest.mark.parametrize("username", ["wms", "env:USER"])
def test_basic_is_user_and_password_in_utf_8(username: str) -> None:
    [(name, value)] = sent(BasicCredentials(type="basic", username=username, password="env:PASSWORD")).lines
    assert name == b"Authorization"
    assert b64decode(value.removeprefix(b"Basic ")).decode() == "wms:pä:ss"


def test_bearer_is_the_token_behind_its_scheme() -> None:
    assert sent(BearerCredentials(type="bearer", token="env:TOKEN")).lines == ((b"Authorization", b"Bearer abc.def"),)


def test_an_api_key_goes_into_its_place() -> None:
    assert sent(ApiKeyCredentials(type="api_key", key="env:TOKEN")).lines == ((b"X-Api-Key", b"abc.def"),)
    assert sent(ApiKeyCredentials(type="api_key", header="K", key="env:TOKEN")).lines == ((b"K", b"abc.def"),)
    assert sent(ApiKeyCredentials(type="api_key", query="c o", key="env:KEY")).query == b"c%20o=a%26b%20c"
    assert sent(ApiKeyCredentials(type="api_key", cookie="sid", key="env:TOKEN")).cookie == b"sid=abc.def"


def test_several_headers_and_several_credentials_go_together() -> None:
    two = HeaderCredentials(type="headers", headers={"X-User": "env:USER", "X-Token": "env:TOKEN"})
    step = sent(two, ApiKeyCredentials(type="api_key", query="k", key="env:TOKEN"))
    assert step.lines == ((b"X-User", b"wms"), (b"X-Token", b"abc.def"))
    assert step.query == b"k=abc.def"
    assert built(two).fields == {b"x-user", b"x-token"}


def test_a_key_in_the_query_names_its_parameter_also_among_others() -> None:
    key = ApiKeyCredentials(type="api_key", query="c o", key="env:KEY")
    assert built(key).query_fields == {b"c o"}
    assert built(BearerCredentials(type="bearer", token="env:TOKEN"), key).query_fields == {b"c o"}
    assert built(BearerCredentials(type="bearer", token="env:TOKEN")).query_fields == frozenset()


class Asking:
    """A flow that wants something, and notes what came of it."""

    type = "asking"
    fields = query_fields = frozenset[bytes]()
    preview = ()
    bound = holds_body = hashes_body = False
    transform = None

    def __init__(self, *, gives_up: bool) -> None:
        self.told: list[BaseException] = []
        self.closed = False
        self._gives_up = gives_up

    def flow(self, call: Call) -> Flow:
        try:
            try:
                yield Fetch(b"GET", b"/login")
            except OSError as error:
                self.told.append(error)
                if self._gives_up:
                    return
            yield Send(((b"X-Session", b"1"),))
        finally:
            self.closed = True


def combined(asking: Asking) -> Flow:
    key = build_injector([ApiKeyCredentials(type="api_key", key="env:TOKEN")], source)
    assert key is not None
    return Combined([key], asking).flow(CALL)


def test_what_failed_is_told_to_the_flow_that_asked_for_it_also_among_others() -> None:
    asking, error = Asking(gives_up=False), OSError("broken")
    flow = combined(asking)
    assert isinstance(next(flow), Fetch)
    step = flow.throw(error)
    assert isinstance(step, Send)
    assert step.lines == ((b"X-Session", b"1"), (b"X-Api-Key", b"abc.def"))
    assert asking.told == [error]
    flow.close()
    assert asking.closed


def test_a_flow_may_end_when_it_is_told() -> None:
    asking = Asking(gives_up=True)
    flow = combined(asking)
    next(flow)
    with pytest.raises(StopIteration):
        flow.throw(OSError("broken"))
    assert asking.closed


def test_an_abandoned_call_ends_the_flow_of_each_credential_at_once() -> None:
    asking = Asking(gives_up=False)
    flow = combined(asking)
    next(flow)
    flow.close()
    assert asking.closed
    assert asking.told == []


def test_a_client_certificate_brings_nothing_into_requests() -> None:
    assert (
        build_injector([ClientCertificateCredentials(type="client_certificate", certificate="env:X")], source) is None
    )


@pytest.mark.parametrize(
    "credentials",
    [
        BearerCredentials(type="bearer", token="env:EVIL"),
        ApiKeyCredentials(type="api_key", header="X", key="env:EVIL"),
        ApiKeyCredentials(type="api_key", cookie="X", key="env:EVIL"),
        HeaderCredentials(type="headers", headers={"X": "env:EVIL"}),
    ],
)
def test_a_line_end_in_a_secret_is_refused_and_not_repeated(credentials: object) -> None:
    with pytest.raises(SecretUnavailable, match="env:EVIL") as caught:
        built(credentials)
    assert "X: y" not in str(caught.value)


def test_a_user_name_from_a_reference_holds_no_colon() -> None:
    with pytest.raises(SecretUnavailable, match="env:COLON: a user name holds no colon"):
        built(BasicCredentials(type="basic", username="env:COLON", password="env:PASSWORD"))


def test_nothing_shows_a_secret() -> None:
    injector = built(BearerCredentials(type="bearer", token="env:TOKEN"))
    assert b"abc.def" not in b"".join(value for _, value in injector.preview)
    assert "abc.def" not in repr(next(injector.flow(CALL))) + repr(injector)


class Rotating:
    """A source that has a new value once it is asked for one."""

    def __init__(self, *values: str) -> None:
        self._values = list(values)
        self.version = 1
        self.asked: list[int | None] = []

    def current(self) -> Secret:
        return Secret(self._values[self.version - 1].encode())

    async def renew(self, seen: int | None = None) -> bool:
        self.asked.append(seen)
        before, self.version = self.version, min(self.version + 1, len(self._values))
        return self.version > before


async def after_401(rotating: Rotating, call: Call = CALL) -> list[Send]:
    injector = build_injector([BearerCredentials(type="bearer", token="env:T")], lambda _: rotating)
    assert injector is not None
    flow, steps = injector.flow(call), []
    step = next(flow)
    try:
        while True:
            if isinstance(step, Send):
                steps.append(step)
                step = flow.send(Seen(401, []))
            else:
                assert isinstance(step, Await)
                step = flow.send(await step.what())
    except StopIteration:
        return steps


def test_after_a_401_the_rotated_value_is_tried_once() -> None:
    old, new = asyncio.run(after_401(Rotating("old", "new", "newest")))
    assert (old.lines[0][1], new.lines[0][1]) == (b"Bearer old", b"Bearer new")


def test_after_a_401_the_same_value_is_not_tried_again() -> None:
    rotating = Rotating("old")
    assert len(asyncio.run(after_401(rotating))) == 1
    assert rotating.asked == [1]


def test_a_call_that_cannot_be_repeated_is_not() -> None:
    call = Call(b"POST", b"/", b"h", repeatable=False)
    assert len(asyncio.run(after_401(Rotating("old", "new"), call))) == 1
