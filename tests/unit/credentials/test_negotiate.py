"""Negotiate wraps Kerberos and NTLM in SPNEGO; without Kerberos, it is NTLM."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from broker.credentials import windows_kerberos
from broker.credentials.flow import Await, Call, CredentialUnavailable, Flow, Seen, Send
from broker.credentials.negotiate import NegotiateInjector
from broker.credentials.windows_account import Account
from broker.credentials.windows_kerberos import NegotiateLogin, Tickets
from broker.credentials.windows_login import Peer, Refused
from broker.credentials.windows_peer import peer
from broker.testing.contexts import client_context
from broker.testing.pki import Authority
from broker.testing.windows_auth import Iis, Manners, Talker, User, accounts

USERS = [User("CORP", "wms", "secret")]
ACCOUNT = Account("CORP\\wms", "secret")
PEER = Peer("HTTP", "localhost", None)


@pytest.fixture
def users() -> Iterator[Path]:
    with accounts(USERS) as path:
        yield path


@pytest.fixture(params=["on the loop", "in a thread"])
def negotiate(request: pytest.FixtureRequest) -> Callable[..., NegotiateInjector]:
    async def no() -> bool:
        return False

    def make(name: str = "CORP\\wms", password: str = "secret", **more: Any) -> NegotiateInjector:
        injector = NegotiateInjector(name.encode, password.encode, no, **more)
        injector.blocking = request.param == "in a thread"
        return injector

    return make


@pytest.fixture
async def iis(users: Path) -> AsyncIterator[Iis]:
    async with Iis(users) as server:
        yield server


Make = Callable[..., NegotiateInjector]


async def test_without_kerberos_it_is_ntlm_in_spnego_and_lasts(iis: Iis, negotiate: Make) -> None:
    injector = negotiate(workstation="BROKER-1")
    async with Talker(iis.port) as talker:
        for _ in range(3):
            status, _, body = await talker.call(injector, b"/quote", b"<order/>")
            assert (status, json.loads(body)["user"], json.loads(body)["body"]) == (200, "CORP\\wms", "<order/>")
    assert iis.handshakes == 1
    assert [one.body for one in iis.requests] == [b"", b"<order/>", b"<order/>", b"<order/>"]
    assert talker.sent[0].lines[0][1].startswith(b"Negotiate YE")  # a NegTokenInit (RFC 4178), not NTLMSSP


async def test_a_wrong_password_stands_after_one_login(iis: Iis, negotiate: Make) -> None:
    async with Talker(iis.port) as talker:
        assert (await talker.call(negotiate(password="wrong"), body=b"x"))[0] == 401
    assert iis.handshakes == 1


async def test_a_login_for_each_request_where_the_server_says_so(users: Path, negotiate: Make) -> None:
    injector = negotiate()
    async with Iis(users, Manners(persists=False)) as server, Talker(server.port) as talker:
        for _ in range(3):
            assert (await talker.call(injector, body=b"x"))[0] == 200
    assert server.handshakes == 3


@pytest.mark.parametrize("binding", [True, False])
async def test_it_is_bound_to_the_tls_connection(users: Path, negotiate: Make, *, binding: bool) -> None:
    authority = Authority.create()
    context = client_context(authority.ca_pem)
    manners = Manners(requires_binding=True)
    async with Iis(users, manners, identity=authority.issue()) as server, Talker(server.port, tls=context) as talker:
        status, _, _ = await talker.call(negotiate(channel_binding=binding), body=b"x")
    assert status == (200 if binding else 401)


async def test_a_server_with_ntlm_only_is_named_so(users: Path, negotiate: Make) -> None:
    async with Iis(users, Manners((b"NTLM",))) as server, Talker(server.port) as talker:
        with pytest.raises(CredentialUnavailable, match="does not go on with Negotiate; it offers ntlm"):
            await talker.call(negotiate())


class Ticket:
    """A login as by Kerberos: one token, and one that proves the upstream."""

    optimistic = True

    def __init__(self, answer: bytes = b"proof") -> None:
        self._answer = answer

    def begin(self) -> bytes:
        return b"ticket"

    def step(self, token: bytes) -> bytes | None:
        if token != self._answer:
            raise Refused("no proof")
        return None


def kerberos(monkeypatch: pytest.MonkeyPatch, make: Make) -> NegotiateInjector:
    injector = make()
    monkeypatch.setattr(injector, "_login", lambda *_: Ticket())
    return injector


async def resume(flow: Flow, value: Any) -> Send | None:
    """What is to be sent next; None at the end."""
    try:
        step = flow.send(value)
        while isinstance(step, Await):
            step = flow.send(await step.what())
    except StopIteration:
        return None
    assert isinstance(step, Send)
    return step


@pytest.mark.parametrize(
    ("lines", "kept"),
    [
        ([], False),
        ([(b"WWW-Authenticate", b"Negotiate cHJvb2Y=")], False),
        ([(b"WWW-Authenticate", b"Negotiate cHJvb2Y="), (b"Persistent-Auth", b"true")], True),
        ([(b"WWW-Authenticate", b"Negotiate bGll"), (b"Persistent-Auth", b"true")], False),
        ([(b"WWW-Authenticate", b"Negotiate ???"), (b"Persistent-Auth", b"true")], False),
    ],
)
async def test_a_ticket_goes_with_the_body_and_the_proof_is_taken(
    monkeypatch: pytest.MonkeyPatch, negotiate: Make, lines: list[tuple[bytes, bytes]], *, kept: bool
) -> None:
    call = Call(b"POST", b"/", b"wms:8443", has_body=True)
    flow = kerberos(monkeypatch, negotiate).flow(call)
    step = await resume(flow, None)
    assert isinstance(step, Send)
    assert (step.without_body, step.lines) == (False, ((b"Authorization", b"Negotiate dGlja2V0"),))
    assert await resume(flow, Seen(200, lines)) is None
    assert bool(call.connection) == kept


async def test_a_refused_ticket_is_a_401_that_stands(monkeypatch: pytest.MonkeyPatch, negotiate: Make) -> None:
    flow = kerberos(monkeypatch, negotiate).flow(Call(b"GET", b"/", b"wms"))
    await resume(flow, None)
    assert await resume(flow, Seen(401, [(b"WWW-Authenticate", b"Negotiate")])) is None


class Kerberos:
    """A context with a ticket that works as often as `works` says."""

    made = 0
    works = 99

    def __init__(self) -> None:
        Kerberos.made += 1

    def new_context(self) -> Any:
        outer = self

        class Context:
            complete = False
            negotiated_protocol = "kerberos"
            _requires_mech_list_mic = False

            def step(self, in_token: bytes | None = None, *, channel_bindings: object = None) -> bytes:
                Kerberos.works -= 1
                if Kerberos.works < 0:
                    raise RuntimeError("expired")
                return b"AP-REQ"

        assert outer
        return Context()


def test_a_ticket_is_got_once_and_again_when_it_ran_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(windows_kerberos, "AVAILABLE", True)
    monkeypatch.setattr(windows_kerberos, "_kerberos", lambda *_: Kerberos())
    monkeypatch.setattr(Kerberos, "made", 0)
    monkeypatch.setattr(Kerberos, "works", 2)
    now = [0.0]
    tickets = Tickets(lambda: now[0])

    def optimistic() -> bool:
        login = NegotiateLogin(ACCOUNT, PEER, "", tickets)
        assert login.begin()
        return login.optimistic

    assert optimistic()
    assert optimistic()
    assert Kerberos.made == 1
    # Neither the old ticket nor a new one works: it is NTLM, and the KDC is left alone for a while.
    assert not optimistic()
    assert Kerberos.made == 2
    assert not optimistic()
    assert Kerberos.made == 2
    now[0] = 61.0
    Kerberos.works = 1
    assert optimistic()
    assert Kerberos.made == 3


def test_where_no_ticket_can_be_had_it_is_ntlm(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def fail(*_: object) -> None:
        asked.append(1)
        raise RuntimeError("no KDC")

    monkeypatch.setattr(windows_kerberos, "AVAILABLE", True)
    monkeypatch.setattr(windows_kerberos, "_kerberos", fail)
    tickets = Tickets()
    for _ in range(3):
        login = NegotiateLogin(ACCOUNT, PEER, "", tickets)
        assert b"NTLMSSP" in login.begin()
        assert not login.optimistic
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("name", "domain", "for_ntlm", "for_kerberos"),
    [
        ("wms", "", "wms", "wms"),
        ("wms", "CORP", "CORP\\wms", "wms"),
        ("wms", "corp.example", "corp.example\\wms", "wms@CORP.EXAMPLE"),
        ("CORP\\wms", "", "CORP\\wms", "wms"),
        ("corp.example\\wms", "", "corp.example\\wms", "wms@CORP.EXAMPLE"),
        ("wms@CORP.EXAMPLE", "", "wms@CORP.EXAMPLE", "wms@CORP.EXAMPLE"),
    ],
)
def test_names_as_ntlm_and_as_kerberos_want_them(name: str, domain: str, for_ntlm: str, for_kerberos: str) -> None:
    account = Account.of(name.encode(), b"secret", domain)
    assert (account.for_ntlm, account.for_kerberos) == (for_ntlm, for_kerberos)
    assert "secret" not in repr(account)


@pytest.mark.parametrize(
    ("authority", "spn", "service", "host"),
    [
        (b"wms.corp.example:8443", "", "HTTP", "wms.corp.example"),
        (b"[::1]:8443", "", "HTTP", "::1"),
        (b"10.0.0.12", "HTTP/wms.corp.example", "HTTP", "wms.corp.example"),
        (b"10.0.0.12", "wsman/wms", "wsman", "wms"),
    ],
)
def test_the_service_is_named_by_the_host_unless_it_is_configured(
    authority: bytes, spn: str, service: str, host: str
) -> None:
    found = peer(Call(b"GET", b"/", authority), spn, channel_binding=True)
    assert (found.service, found.host, found.bindings) == (service, host, None)


def test_what_waits_for_the_network_is_off_the_loop(negotiate: Make) -> None:
    injector = negotiate()
    step = next(injector.flow(Call(b"GET", b"/", b"wms")))
    assert isinstance(step, Await if injector.blocking else Send)
    if isinstance(step, Await):
        token, refused = asyncio.run(step.what())  # type: ignore[arg-type]
        assert b"NTLMSSP" in token
        assert refused is None
