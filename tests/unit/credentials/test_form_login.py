"""A login form: who logs in, when, and what is never said about it."""

import asyncio
from typing import Any
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from broker.config.model import OneCredential
from broker.core.errors import BrokerError
from broker.core.ports import Reference
from broker.core.secret import Secret, SecretUnavailable
from broker.credentials.build import build_injector
from broker.credentials.flow import Await, Call, CredentialUnavailable, Fetch, Fetched, Flow, Seen, Send
from broker.credentials.form_login import FormLogin
from broker.credentials.form_login_page import asks_for_password, forms_of, hidden_fields

SETTINGS = {"type": "form_login", "url": "/login?x=1", "fields": {"user": "wms", "password": "env:PASSWORD"}}
WELCOME = Fetched(302, [(b"Set-Cookie", b"S=one; Path=/"), (b"Location", b"/home")], b"")
DENIED = Fetched(200, [(b"Set-Cookie", b"S=anonymous; Path=/")], b"<form><input type='password' name=p></form>")


class Password:
    """A secret that can be rotated; `next` is what the provider would say when asked."""

    def __init__(self) -> None:
        self.value, self.next, self.version, self.asked = b"s3cret&", b"", 1, 0

    def current(self) -> Secret:
        if not self.value:
            raise SecretUnavailable("env:PASSWORD is not set")
        return Secret(self.value)

    def rotate(self, value: bytes) -> None:
        self.value, self.version = value, self.version + 1

    async def renew(self, seen: int | None = None) -> bool:
        self.asked += 1
        if self.next and self.next != self.value:
            self.rotate(self.next)
        return self.version != seen


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Rig:
    """A login, its secret and its clock."""

    def __init__(self, **settings: Any) -> None:
        self.password, self.clock = Password(), Clock()

        def source(_: Reference) -> Password:
            return self.password

        built = build_injector([TypeAdapter[Any](OneCredential).validate_python(SETTINGS | settings)], source)
        assert isinstance(built, FormLogin)
        self.login = built
        self.login._session._clock = self.clock

    def flow(self, target: bytes = b"/data") -> Flow:
        return self.login.flow(Call(b"GET", target, b"host"))

    def fetch(self, flow: Flow) -> Fetch:
        step = next(flow)
        assert isinstance(step, Fetch)
        return step

    def log_in(self) -> None:
        flow = self.flow()
        self.fetch(flow)
        assert isinstance(flow.send(WELCOME), Send)
        flow.close()


async def drive(flow: Flow, value: Any) -> Any:
    """Send a value, and do what is awaited."""
    step = flow.send(value)
    while isinstance(step, Await):
        try:
            result = await step.what()
        except CredentialUnavailable as error:
            step = flow.throw(error)
        else:
            step = flow.send(result)
    return step


async def test_the_first_call_logs_in_and_sends_the_session() -> None:
    rig = Rig()
    flow = rig.flow()
    asked = rig.fetch(flow)
    assert (asked.method, asked.target) == (b"POST", b"/login?x=1")
    assert parse_qsl(asked.body.decode()) == [("user", "wms"), ("password", "s3cret&")]
    assert (b"Content-Type", b"application/x-www-form-urlencoded") in asked.lines
    assert "s3cret" not in repr(asked)
    sent = flow.send(WELCOME)
    assert isinstance(sent, Send)
    assert sent.cookie == b"S=one"
    with pytest.raises(StopIteration):
        flow.send(Seen(200, []))
    again = next(rig.flow())
    assert isinstance(again, Send)
    assert again.cookie == b"S=one"


@pytest.mark.parametrize(
    "seen",
    [
        Seen(401, []),
        Seen(302, [(b"Location", b"/login?back=/data")]),
        Seen(302, [(b"Location", b"https://host/login;jsessionid=5?x")]),
        Seen(303, [(b"location", b"login")]),
        Seen(200, [], b"... please LOG IN ..."),
    ],
)
async def test_a_session_that_is_gone_is_begun_anew_once(seen: Seen) -> None:
    rig = Rig(expired_when={"body": "LOG IN"})
    rig.log_in()
    flow = rig.flow()
    sent = next(flow)
    assert isinstance(sent, Send)
    assert sent.peek == 16384
    assert sent.lines == ((b"Accept-Encoding", b"identity"),)
    assert isinstance(flow.send(seen), Fetch)
    second = flow.send(Fetched(302, [(b"Set-Cookie", b"S=two; Path=/")], b""))
    assert isinstance(second, Send)
    assert second.cookie == b"S=two"
    with pytest.raises(StopIteration):
        flow.send(Seen(401, []))
    # A login that did not help is not tried for every call.
    flow = rig.flow()
    next(flow)
    with pytest.raises(StopIteration):
        flow.send(Seen(401, []))
    rig.clock.now += 11
    flow = rig.flow()
    next(flow)
    assert isinstance(flow.send(Seen(401, [])), Fetch)


@pytest.mark.parametrize(
    "seen", [Seen(403, []), Seen(302, [(b"Location", b"/loginhelp")]), Seen(200, [(b"Location", b"/login")])]
)
async def test_other_answers_stand(seen: Seen) -> None:
    rig = Rig()
    rig.log_in()
    flow = rig.flow()
    next(flow)
    with pytest.raises(StopIteration):
        flow.send(seen)


async def test_the_sessions_cookies_are_not_for_the_caller_and_move_on() -> None:
    rig = Rig()
    rig.log_in()
    flow = rig.flow()
    next(flow)
    seen = Seen(200, [(b"A", b"b"), (b"set-cookie", b"S=rolled; Path=/"), (b"Set-Cookie", b"other=1")])
    with pytest.raises(StopIteration):
        flow.send(seen)
    assert seen.lines == [(b"A", b"b"), (b"Set-Cookie", b"other=1")]
    after = next(rig.flow())
    assert isinstance(after, Send)
    assert after.cookie == b"S=rolled"
    flow = rig.flow()
    next(flow)
    with pytest.raises(StopIteration):
        flow.send(Seen(200, [(b"Set-Cookie", b"S=; Path=/; Max-Age=0")]))
    rig.fetch(rig.flow())


async def test_only_one_logs_in_and_the_others_wait() -> None:
    rig = Rig()
    rig.log_in()
    flows = [rig.flow() for _ in range(5)]
    for flow in flows:
        next(flow)
    assert isinstance(flows[0].send(Seen(401, [])), Fetch)
    waiting = [asyncio.create_task(drive(flow, Seen(401, []))) for flow in flows[1:]]
    await asyncio.sleep(0)
    first = flows[0].send(Fetched(302, [(b"Set-Cookie", b"S=two; Path=/")], b""))
    sent = [first, *await asyncio.gather(*waiting)]
    assert all(isinstance(one, Send) and one.cookie == b"S=two" for one in sent)


async def test_whoever_saw_the_old_session_fail_does_not_log_in_again() -> None:
    rig = Rig()
    rig.log_in()
    early, late = rig.flow(), rig.flow()
    next(early)
    next(late)
    early.send(Seen(401, []))
    early.send(Fetched(302, [(b"Set-Cookie", b"S=two; Path=/")], b""))
    again = late.send(Seen(401, []))
    assert isinstance(again, Send)
    assert again.cookie == b"S=two"


async def test_when_the_call_that_logs_in_is_cancelled_another_takes_over() -> None:
    rig = Rig()
    first, second = rig.flow(), rig.flow()
    rig.fetch(first)
    taking_over = asyncio.create_task(drive(second, None))
    await asyncio.sleep(0)
    with pytest.raises(asyncio.CancelledError):
        first.throw(asyncio.CancelledError())
    assert isinstance(await taking_over, Fetch)


async def test_when_the_service_cannot_be_reached_all_who_wait_fail_at_once() -> None:
    rig = Rig()
    first = rig.flow()
    rig.fetch(first)
    waiting = [asyncio.create_task(drive(rig.flow(), None)) for _ in range(3)]
    await asyncio.sleep(0)
    with pytest.raises(BrokerError):
        first.throw(BrokerError("upstream_connect_failed"))
    for one in waiting:
        with pytest.raises(CredentialUnavailable, match="failed: upstream_connect_failed"):
            await one


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (DENIED, "refused .status 200"),
        (Fetched(403, [(b"Set-Cookie", b"S=1")], b""), "refused .status 403"),
        (Fetched(302, [(b"Location", b"/login?error"), (b"Set-Cookie", b"S=1")], b""), "refused .status 302"),
        (Fetched(200, [], b"welcome"), "set no cookie .status 200"),
        (Fetched(200, [(b"Set-Cookie", b"S=1; Max-Age=0")], b""), "set no cookie"),
    ],
)
async def test_a_refused_login_says_why_and_is_not_repeated_at_once(answer: Fetched, reason: str) -> None:
    rig = Rig()
    for rest in (10, 30, 60, 60):
        flow = rig.flow()
        rig.fetch(flow)
        with pytest.raises(CredentialUnavailable, match=reason) as caught:
            await drive(flow, answer)
        assert "s3cret" not in str(caught.value)
        rig.clock.now += rest - 1
        with pytest.raises(CredentialUnavailable, match="for another 1 s"):
            await drive(rig.flow(), None)
        rig.clock.now += 2
    rig.log_in()


async def test_a_rotated_password_is_tried_at_once() -> None:
    rig = Rig()
    flow = rig.flow()
    rig.fetch(flow)
    with pytest.raises(CredentialUnavailable):
        await drive(flow, DENIED)
    rig.password.rotate(b"new")
    assert b"password=new" in rig.fetch(rig.flow()).body


async def test_a_refused_login_asks_for_a_newer_password() -> None:
    rig = Rig()
    rig.password.next = b"newer"
    flow = rig.flow()
    rig.fetch(flow)
    second = await drive(flow, DENIED)
    assert isinstance(second, Fetch)
    assert b"password=newer" in second.body
    with pytest.raises(CredentialUnavailable, match="refused"):
        await drive(flow, DENIED)


async def test_trouble_at_the_service_is_no_refusal() -> None:
    rig = Rig()
    flow = rig.flow()
    rig.fetch(flow)
    with pytest.raises(CredentialUnavailable, match="answered 503"):
        await drive(flow, Fetched(503, [], b""))
    rig.clock.now += 1.1
    rig.log_in()


async def test_a_missing_secret_is_named() -> None:
    rig = Rig()
    rig.password.value = b""
    with pytest.raises(SecretUnavailable, match="env:PASSWORD"):
        next(rig.flow())


async def test_the_page_is_got_first_for_its_hidden_fields_and_cookies() -> None:
    rig = Rig(prefetch="/page", cookies=["S"])
    flow = rig.flow()
    got = rig.fetch(flow)
    assert (got.method, got.target) == (b"GET", b"/page")
    page = (
        b'<form><input type=hidden name=csrf value=wrong></form><FORM method=post><input type="hidden" name="csrf" '
        b'value="a&amp;b"><input type=hidden name=user value=guest><input name=user><input type=password '
        b"name=password></FORM>"
    )
    form = flow.send(Fetched(200, [(b"Set-Cookie", b"S=1; Path=/"), (b"Set-Cookie", b"X=2; Path=/")], page))
    assert isinstance(form, Fetch)
    assert parse_qsl(form.body.decode()) == [("csrf", "a&b"), ("user", "wms"), ("password", "s3cret&")]
    assert (b"Cookie", b"S=1; X=2") in form.lines
    sent = flow.send(Fetched(302, [(b"Location", b"/home")], b""))
    assert isinstance(sent, Send)
    assert sent.cookie == b"S=1"


async def test_a_page_that_is_not_there_is_no_refusal() -> None:
    rig = Rig(prefetch=True)
    flow = rig.flow()
    assert rig.fetch(flow).target == b"/login?x=1"
    with pytest.raises(CredentialUnavailable, match="page at /login answered 404"):
        await drive(flow, Fetched(404, [], b""))


@pytest.mark.parametrize(
    ("signs", "works"),
    [
        ({"status": [200]}, True),
        ({"status": [302]}, False),
        ({"body": "Willkommen"}, True),
        ({"body": "Welcome"}, False),
        ({"cookie": "S"}, True),
        ({"cookie": "T", "body": "Willkommen"}, False),
        ({"location": "/home"}, False),
    ],
)
async def test_success_may_be_told_by_other_signs(signs: dict[str, Any], works: bool) -> None:
    rig = Rig(success_when=signs)
    flow = rig.flow()
    rig.fetch(flow)
    answer = Fetched(200, [(b"Set-Cookie", b"S=1")], b"Willkommen <input type=password>")
    if works:
        assert isinstance(flow.send(answer), Send)
    else:
        with pytest.raises(CredentialUnavailable, match="refused"):
            await drive(flow, answer)


def test_nothing_shows_the_fields() -> None:
    rig = Rig()
    assert "s3cret" not in repr(rig.login._form) + repr(rig.login._session)


@given(st.binary(max_size=300) | st.text("<>/!-[]form input'\"=&#;x", max_size=100).map(str.encode))
def test_no_page_crashes(page: bytes) -> None:
    forms_of(page)
    hidden_fields(page, ["user"])
    asks_for_password(page)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"fields": {}}, "names of the form's fields"),
        ({"fields": {"user": 5}}, "user: expected text"),
        ({"fields": {"Password": "hunter2"}}, "Password: literal secrets are not allowed"),
        ({"fields": {"user": "env:"}}, "user: after env:"),
        ({"url": "login"}, "starts with /"),
        ({"url": "/login#x"}, "starts|ends before"),
        ({"method": "GET"}, "POST"),
        ({"prefetch": "page"}, "starts with /"),
        ({"expired_when": {"status": [42]}}, "greater than"),
        ({"expired_when": {"location": "login"}}, "starts with /"),
        ({"success_when": {}}, "at least one"),
        ({"cookies": ["a b"]}, "expected the name"),
    ],
)
def test_wrong_settings_are_named(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message) as caught:
        TypeAdapter[Any](OneCredential).validate_python(SETTINGS | settings)
    [found] = caught.value.errors(include_input=False)
    assert "hunter2" not in str(found)
