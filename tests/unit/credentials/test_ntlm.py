"""NTLM authenticates a connection, before the body is sent, and again when the server forgets."""

import asyncio
import datetime as dt
import hashlib
import json
import logging
from base64 import b64decode
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from spnego._ntlm_raw.messages import Authenticate

from broker.credentials.flow import Call, CredentialUnavailable, Seen, Send
from broker.credentials.ntlm import NtlmInjector
from broker.credentials.windows_binding import channel_bindings
from broker.testing.contexts import client_context
from broker.testing.pki import Authority
from broker.testing.windows_auth import Iis, Manners, Talker, User, accounts

USERS = [User("CORP", "wms", "Sécret-1"), User("", "wms@CORP.EXAMPLE", "Sécret-2"), User("CORP", "other", "pw")]
NTLM_ONLY = (b"NTLM",)


@pytest.fixture
def users() -> Iterator[Path]:
    with accounts(USERS) as path:
        yield path


async def no() -> bool:
    return False


def ntlm(name: str = "CORP\\wms", password: str = "Sécret-1", **more: object) -> NtlmInjector:
    return NtlmInjector(name.encode, password.encode, no, **more)  # type: ignore[arg-type]


@pytest.fixture
async def plain(users: Path) -> AsyncIterator[Iis]:
    async with Iis(users, Manners(schemes=NTLM_ONLY)) as server:
        yield server


@pytest.mark.parametrize(
    ("injector", "user"),
    [
        (ntlm(), "CORP\\wms"),
        (ntlm("wms", domain="CORP"), "CORP\\wms"),
        (ntlm("wms", domain="CORP", workstation="BROKER-1"), "CORP\\wms"),
        (ntlm("wms@CORP.EXAMPLE", "Sécret-2"), "wms@CORP.EXAMPLE"),
        (ntlm("wms@CORP.EXAMPLE", "Sécret-2", domain="OTHER"), "wms@CORP.EXAMPLE"),
    ],
)
async def test_a_user_is_known_by_every_way_to_write_the_name(plain: Iis, injector: NtlmInjector, user: str) -> None:
    async with Talker(plain.port) as talker:
        status, _, body = await talker.call(injector)
    assert status == 200
    assert json.loads(body)["user"] == user


async def test_one_login_is_good_for_all_calls_of_a_connection(plain: Iis) -> None:
    injector = ntlm()
    async with Talker(plain.port) as talker:
        for number in range(3):
            status, _, body = await talker.call(injector, b"/%d" % number, b"<order/>")
            assert (status, json.loads(body)["body"]) == (200, "<order/>")
    assert plain.handshakes == 1
    assert [(one.status, one.body) for one in plain.requests] == [
        (401, b""),
        (200, b"<order/>"),
        (200, b"<order/>"),
        (200, b"<order/>"),
    ]
    assert talker.sent[2].lines == ()


async def test_each_connection_logs_in_for_itself(plain: Iis) -> None:
    injector = ntlm()
    async with Talker(plain.port) as first, Talker(plain.port) as second:
        results = await asyncio.gather(*(one.call(injector, body=b"x") for one in (first, second)))
    assert [status for status, _, _ in results] == [200, 200]
    assert (plain.handshakes, plain.connections, plain.dropped) == (2, 2, 0)


async def test_a_wrong_password_is_a_401_that_stands_after_one_login(plain: Iis) -> None:
    async with Talker(plain.port) as talker:
        status, _, body = await talker.call(ntlm(password="wrong"), body=b"<order/>")
    assert (status, body) == (401, b"Access is denied.")
    assert plain.handshakes == 1


async def test_a_renewed_password_is_tried_once(plain: Iis) -> None:
    passwords = iter([b"old", b"still wrong", b"never asked for"])

    async def renew() -> bool:
        return True

    injector = NtlmInjector(lambda: b"CORP\\wms", lambda: next(passwords), renew)
    async with Talker(plain.port) as talker:
        assert (await talker.call(injector))[0] == 401
    assert plain.handshakes == 2
    assert next(passwords) == b"never asked for"


async def test_a_renewed_password_that_is_right_ends_well(plain: Iis) -> None:
    passwords = iter(["old", "Sécret-1"])

    async def renew() -> bool:
        return True

    injector = NtlmInjector(lambda: b"CORP\\wms", lambda: next(passwords).encode(), renew)
    async with Talker(plain.port) as talker:
        assert (await talker.call(injector, body=b"x"))[0] == 200


@pytest.mark.parametrize("says_so", [True, False])
async def test_a_server_that_asks_for_each_request_gets_a_login_for_each(users: Path, *, says_so: bool) -> None:
    injector = ntlm()
    async with Iis(users, Manners(NTLM_ONLY, persists=False, says_so=says_so)) as server, Talker(server.port) as talker:
        for _ in range(5):
            assert (await talker.call(injector, body=b"<order/>"))[0] == 200
    assert server.handshakes == 5
    # Where it does not say so, it is found out by two calls that were refused.
    refused = [one for one in server.requests if one.status == 401 and not one.authorization]
    assert len(refused) == (0 if says_so else 2)


async def test_a_connection_that_is_forgotten_is_logged_in_again(users: Path) -> None:
    injector = ntlm()
    async with Iis(users, Manners(NTLM_ONLY, forgets_after=2)) as server, Talker(server.port) as talker:
        for _ in range(8):
            assert (await talker.call(injector, body=b"<order/>"))[0] == 200


async def test_a_connection_that_ends_with_a_401_is_followed_by_another(users: Path) -> None:
    injector = ntlm()
    manners = Manners(NTLM_ONLY, forgets_after=1, closes_after_401=True)
    async with Iis(users, manners) as server, Talker(server.port) as talker:
        for _ in range(4):
            assert (await talker.call(injector, body=b"x"))[0] == 200
        assert server.connections == 2


async def test_a_server_that_hangs_up_midway_is_given_up_on(users: Path) -> None:
    async with Iis(users, Manners(NTLM_ONLY, closes_midway=True)) as server, Talker(server.port) as talker:
        with pytest.raises(ConnectionError):
            await talker.call(ntlm())
    assert server.handshakes == 3


async def test_a_second_user_on_a_connection_makes_the_double_drop_it(plain: Iis) -> None:
    async with Talker(plain.port) as talker:
        assert (await talker.call(ntlm()))[0] == 200
        assert (await talker.call(ntlm("CORP\\other", "pw")))[0] == 500
        assert (await talker.call(ntlm("CORP\\other", "pw")))[0] == 200
    assert plain.dropped == 1


async def test_a_401_of_the_application_stands_and_the_login_lasts(users: Path) -> None:
    injector = ntlm()
    manners = Manners(NTLM_ONLY, forbidden_paths=(b"/admin",))
    async with Iis(users, manners) as server, Talker(server.port) as talker:
        assert (await talker.call(injector))[0] == 200
        assert (await talker.call(injector, b"/admin"))[2] == b"Not for you."
        assert (await talker.call(injector))[0] == 200
    assert server.handshakes == 1


async def test_where_no_login_is_asked_for_the_call_is_made_with_its_body(users: Path) -> None:
    injector = ntlm()
    async with Iis(users, Manners(NTLM_ONLY, open_paths=(b"/open",))) as server, Talker(server.port) as talker:
        status, _, body = await talker.call(injector, b"/open", b"<order/>")
        assert (status, json.loads(body)["body"]) == (200, "<order/>")
        assert (await talker.call(injector, b"/open"))[0] == 200
        assert (await talker.call(injector, b"/closed"))[0] == 200


@pytest.mark.parametrize("schemes", [(b'Basic realm="x"', b'Digest nonce="n"'), ()])
async def test_a_server_that_does_not_offer_it_is_named_with_what_it_offers(
    users: Path, schemes: tuple[bytes, ...]
) -> None:
    async with Iis(users, Manners(schemes)) as server, Talker(server.port) as talker:
        with pytest.raises(CredentialUnavailable, match="basic, digest" if schemes else "nothing"):
            await talker.call(ntlm(), body=b"<order/>")
    assert [one.body for one in server.requests] == [b""]


@pytest.mark.parametrize("digest", ["sha1", "sha256", "sha384"])
@pytest.mark.parametrize("binding", [True, False])
async def test_a_login_is_bound_to_the_tls_connection(users: Path, digest: str, *, binding: bool) -> None:
    authority = Authority.create(key="rsa2048")
    identity = authority.issue(digest=digest)
    context = client_context(authority.ca_pem, ciphers="ALL:@SECLEVEL=0")
    manners = Manners(NTLM_ONLY, requires_binding=True)
    async with Iis(users, manners, identity=identity) as server, Talker(server.port, tls=context) as talker:
        status, _, _ = await talker.call(ntlm(channel_binding=binding), body=b"<order/>")
    assert status == (200 if binding else 401)


async def test_the_computer_is_named_as_configured(plain: Iis) -> None:
    async with Talker(plain.port) as talker:
        assert (await talker.call(ntlm(workstation="BROKER-1")))[0] == 200
        message = Authenticate.unpack(b64decode(talker.sent[-1].lines[0][1].removeprefix(b"NTLM ")))
    assert (message.workstation, message.user_name, message.domain_name) == ("BROKER-1", "wms", "CORP")


@pytest.mark.parametrize(
    ("digest", "function"), [("md5", "sha256"), ("sha1", "sha256"), ("sha256", "sha256"), ("sha384", "sha384")]
)
def test_bindings_use_the_hash_of_the_certificates_signature(digest: str, function: str) -> None:
    der = Authority.create(key="rsa2048").issue(digest=digest).certificate.public_bytes(Encoding.DER)
    found = channel_bindings(der)
    assert found is not None
    assert found.application_data == b"tls-server-end-point:" + hashlib.new(function, der).digest()


def test_bindings_to_a_certificate_that_cannot_be_read_use_sha_256() -> None:
    found = channel_bindings(b"odd")
    assert found is not None
    assert found.application_data == b"tls-server-end-point:" + hashlib.sha256(b"odd").digest()


def test_a_signature_without_a_hash_has_no_bindings() -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "wms")])
    start = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, start, start + dt.timedelta(days=1))
    assert channel_bindings(builder.sign(key, None).public_bytes(Encoding.DER)) is None


async def test_nothing_secret_is_shown(plain: Iis, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    injector = ntlm()
    assert injector.preview == ((b"Authorization", b"NTLM ***"),)
    async with Talker(plain.port) as talker:
        await talker.call(injector)
    assert "TlRM" not in repr(talker.sent)
    assert "TlRM" not in caplog.text
    assert "ecret" not in caplog.text + repr(vars(injector))


@pytest.mark.parametrize(
    "challenge",
    [b"NTLM", b"NTLM !!", b"NTLM TlRMTVNTUAACAAAA", b"NTLM " + b"A" * 4000, b'NTLM realm="x"', b"ntlm ===", b"Basic"],
)
def test_a_challenge_that_makes_no_sense_ends_the_flow(challenge: bytes) -> None:
    flow = ntlm().flow(Call(b"POST", b"/", b"h", has_body=True))
    step = next(flow)
    assert isinstance(step, Send)
    assert step.without_body
    try:
        following = flow.send(Seen(401, [(b"WWW-Authenticate", challenge)]))
    except CredentialUnavailable:
        return
    assert not isinstance(following, Send)
    with pytest.raises(StopIteration):
        flow.send(False)


def test_a_name_that_is_not_utf_8_is_unavailable() -> None:
    injector = NtlmInjector(lambda: b"\xff", lambda: b"x", no)
    with pytest.raises(CredentialUnavailable, match="UTF-8"):
        next(injector.flow(Call(b"GET", b"/", b"h")))
