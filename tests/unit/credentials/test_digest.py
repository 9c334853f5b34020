"""Digest: the examples of the RFCs, and what becomes of nonces from call to call."""

import hashlib
from collections.abc import Awaitable, Callable

import pytest

from broker.credentials.challenges import parameters
from broker.credentials.digest import DigestInjector
from broker.credentials.flow import Await, Call, CredentialUnavailable, Flow, Seen, Send

CNONCE = b"f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"
NONCE = b"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v"
OPAQUE = b"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"
BASE = b'Digest realm="http-auth@example.org", qop="auth, auth-int", nonce="' + NONCE + b'", opaque="' + OPAQUE + b'"'
MD5 = BASE + b", algorithm=MD5"
SHA256 = BASE + b", algorithm=SHA-256"
SIMPLE = b'Digest realm="r", nonce="%b", qop="auth"'


def digest(
    name: str = "Mufasa",
    password: str = "Circle of Life",
    renew: Callable[[], Awaitable[bool]] | None = None,
    **more: object,
) -> DigestInjector:
    async def no() -> bool:
        return False

    more.setdefault("cnonce", lambda: CNONCE)
    return DigestInjector(name.encode, password.encode, renew or no, **more)  # type: ignore[arg-type]


def get(target: bytes = b"/dir/index.html", **more: object) -> Call:
    return Call(b"GET", target, b"www.example.org", **more)  # type: ignore[arg-type]


def refusal(*challenges: bytes) -> Seen:
    return Seen(401, [(b"WWW-Authenticate", value) for value in challenges])


def sent(step: object) -> dict[bytes, bytes]:
    """The parameters of the answer that a step carries."""
    assert isinstance(step, Send)
    ((name, value),) = step.lines
    assert name == b"Authorization"
    assert value.startswith(b"Digest ")
    return dict(parameters(value.removeprefix(b"Digest ")))


def challenged(injector: DigestInjector, *challenges: bytes, call: Call | None = None) -> tuple[Flow, object]:
    """A flow that was refused once, and what it wants then."""
    flow = injector.flow(call or get())
    first = next(flow)
    assert isinstance(first, Send)
    assert first.lines == ()
    return flow, flow.send(refusal(*challenges))


def ends(flow: Flow, value: object) -> bool:
    try:
        flow.send(value)
    except StopIteration:
        return True
    return False


@pytest.mark.parametrize(
    ("challenge", "response"),
    [
        (MD5, b"8ca523f5e9506fed4657c9700eebdbec"),
        (SHA256, b"753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_rfc_7616_section_3_9_1(challenge: bytes, response: bytes) -> None:
    flow, step = challenged(digest(), challenge)
    found = sent(step)
    assert found[b"response"] == response
    assert (found[b"nc"], found[b"qop"], found[b"cnonce"], found[b"opaque"]) == (b"00000001", b"auth", CNONCE, OPAQUE)
    assert (found[b"uri"], found[b"username"], found[b"nonce"]) == (b"/dir/index.html", b"Mufasa", NONCE)
    assert ends(flow, Seen(200, []))


def test_rfc_7616_section_3_9_1_takes_the_stronger_of_two() -> None:
    _, step = challenged(digest(), MD5, SHA256)
    assert sent(step)[b"algorithm"] == b"SHA-256"
    _, step = challenged(digest(), MD5 + b", " + SHA256)
    assert sent(step)[b"algorithm"] == b"SHA-256"


def test_rfc_7616_section_3_9_2_hides_the_user() -> None:
    """With the values of erratum 4897: those in the text are of a truncated SHA-512, which is another function."""
    nonce, cnonce = b"5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK", b"NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v"
    challenge = (
        b'Digest realm="api@example.org", qop="auth", algorithm=SHA-512-256, nonce="' + nonce + b'", '
        b'opaque="HRPCssKJSGjCrkzDg8OhwpzCiGPChXYjwrI2QmXDnsOS", charset=UTF-8, userhash=true'
    )
    injector = digest("Jäsøn Doe", "Secret, or not?", cnonce=lambda: cnonce)
    _, step = challenged(injector, challenge, call=Call(b"GET", b"/doe.json", b"api.example.org"))
    found = sent(step)
    assert found[b"username"] == b"793263caabb707a56211940d90411ea4a575adeccb7e360aeb624ed06ece9b0b"
    assert found[b"response"] == b"3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5"
    assert found[b"userhash"] == b"true"


def test_rfc_2617_section_3_5() -> None:
    challenge = (
        b'Digest realm="testrealm@host.com", qop="auth,auth-int", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", '
        b'opaque="5ccc069c403ebaf9f0171e9517f40e41"'
    )
    _, step = challenged(digest("Mufasa", "Circle Of Life", cnonce=lambda: b"0a4f113b"), challenge)
    found = sent(step)
    assert found[b"response"] == b"6629fae49393a05397450978507c4ef1"
    assert b"algorithm" not in found


def test_rfc_2069_servers_get_neither_count_nor_cnonce() -> None:
    """The example of RFC 2069 section 2.4, with the response of its erratum 749."""
    challenge = b'Digest realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", opaque="5ccc"'
    _, step = challenged(digest("Mufasa", "CircleOfLife"), challenge)
    found = sent(step)
    assert found[b"response"] == b"1949323746fe6a43ef61f9606e7febea"
    assert found.keys().isdisjoint({b"nc", b"cnonce", b"qop"})


def test_a_known_nonce_saves_the_round_trip_and_counts_on() -> None:
    injector = digest()
    challenged(injector, SHA256)
    for count in (b"00000002", b"00000003"):
        flow = injector.flow(get(b"/other?x=1&y=%20"))
        found = sent(next(flow))
        assert (found[b"nc"], found[b"uri"]) == (count, b"/other?x=1&y=%20")
        assert ends(flow, Seen(500, []))


def test_concurrent_calls_share_the_count() -> None:
    injector = digest()
    challenged(injector, SHA256)
    flows = [injector.flow(get()) for _ in range(50)]
    assert len({sent(next(flow))[b"nc"] for flow in flows}) == 50
    # All of them are refused, with the nonce that they had.
    assert len({sent(flow.send(refusal(SHA256)))[b"nc"] for flow in flows}) == 50


def test_machines_with_nonces_of_their_own_do_not_see_a_count_twice() -> None:
    injector = digest()
    counts = []
    for nonce in (b"a", b"b", b"a", b"b", b"a"):
        flow = injector.flow(get())
        next(flow)
        counts.append(sent(flow.send(refusal(SIMPLE % nonce)))[b"nc"][-1:])
        assert ends(flow, Seen(200, []))
    assert counts[0] == b"1"
    assert len(set(counts[0::2])) == 3


def test_another_upstream_has_another_nonce() -> None:
    injector = digest()
    challenged(injector, SHA256)
    first = next(injector.flow(Call(b"GET", b"/", b"other.example.org")))
    assert isinstance(first, Send)
    assert first.lines == ()


def test_nextnonce_is_used_from_then_on() -> None:
    injector = digest()
    flow, _ = challenged(injector, SIMPLE % b"a")
    assert ends(flow, Seen(204, [(b"Authentication-Info", b'qop=auth, rspauth="x", nextnonce="b"')]))
    found = sent(next(injector.flow(get())))
    assert (found[b"nonce"], found[b"nc"]) == (b"b", b"00000001")


def test_a_stale_nonce_is_no_wrong_password() -> None:
    asked = []

    async def renew() -> bool:
        asked.append(1)
        return True

    flow, _ = challenged(digest(renew=renew), SIMPLE % b"a")
    assert sent(flow.send(refusal(SIMPLE % b"b" + b", stale=TRUE")))[b"nonce"] == b"b"
    assert ends(flow, refusal(SIMPLE % b"c" + b', stale="true"'))
    assert not asked


def test_a_kept_nonce_that_ran_out_is_replaced_even_where_nobody_calls_it_stale() -> None:
    injector = digest()
    challenged(injector, SIMPLE % b"a")
    flow = injector.flow(get())
    next(flow)
    assert sent(flow.send(refusal(SIMPLE % b"b")))[b"nonce"] == b"b"
    assert ends(flow, Seen(200, []))


async def test_a_wrong_password_stands_after_one_answer() -> None:
    injector = digest()
    for _ in range(2):
        # What led to nothing is not kept: each call waits to be challenged, and fails once.
        flow, _ = challenged(injector, SHA256)
        step = flow.send(refusal(SHA256))
        assert isinstance(step, Await)
        assert ends(flow, await step.what())


async def test_a_renewed_password_is_tried_once() -> None:
    passwords = iter([b"old", b"new", b"never"])

    async def renew() -> bool:
        return True

    injector = DigestInjector(lambda: b"u", lambda: next(passwords), renew)
    flow, step = challenged(injector, SIMPLE % b"a")
    old = sent(step)
    waiting = flow.send(refusal(SIMPLE % b"b"))
    assert isinstance(waiting, Await)
    new = sent(flow.send(await waiting.what()))
    assert new[b"response"] == expected(b"u:r:new", new)
    assert old[b"response"] == expected(b"u:r:old", old)
    assert ends(flow, refusal(SIMPLE % b"c"))
    assert next(passwords) == b"never"


def expected(first: bytes, found: dict[bytes, bytes], second: bytes = b"GET:/dir/index.html") -> bytes:
    """The response by the letter of RFC 7616 section 3.4.1."""

    def h(data: bytes) -> bytes:
        return hashlib.md5(data).hexdigest().encode()

    parts = (h(first), found[b"nonce"], found[b"nc"], found[b"cnonce"], found[b"qop"], h(second))
    return h(b":".join(parts))


@pytest.mark.parametrize("algorithm", [b"MD5-sess", b"md5-SESS"])
def test_a_session_keeps_its_first_cnonce(algorithm: bytes) -> None:
    cnonces = iter([b"c1", b"c2", b"c3"])
    injector = digest("u", "p", cnonce=lambda: next(cnonces))
    flow, step = challenged(injector, SIMPLE % b"a" + b", algorithm=" + algorithm)
    key = hashlib.md5(b"u:r:p").hexdigest().encode()
    found = sent(step)
    assert found[b"algorithm"] == algorithm
    assert found[b"response"] == expected(key + b":a:c1", found)
    assert ends(flow, Seen(200, [(b"Authentication-Info", b'nextnonce="b"')]))
    found = sent(next(injector.flow(get())))
    assert (found[b"nonce"], found[b"cnonce"]) == (b"b", b"c1")
    assert found[b"response"] == expected(key + b":a:c1", found)


AUTH_INT = b'Digest realm="r", nonce="a", qop="auth-int"'


@pytest.mark.parametrize(("body", "has_body"), [(b"<order/>", True), (b"", False), (None, False)])
def test_auth_int_proves_the_body_where_nothing_else_is_offered(body: bytes | None, *, has_body: bool) -> None:
    injector = digest("u", "p", auth_int=True)
    assert injector.hashes_body
    call = Call(b"POST", b"/x", b"h", body=body, has_body=has_body)
    _, step = challenged(injector, AUTH_INT, call=call)
    found = sent(step)
    hashed = hashlib.md5(body or b"").hexdigest().encode()
    assert found[b"qop"] == b"auth-int"
    assert found[b"response"] == expected(b"u:r:p", found, b"POST:/x:" + hashed)


def test_auth_int_without_the_body_says_what_to_set() -> None:
    with pytest.raises(CredentialUnavailable, match="auth_int: true"):
        challenged(digest(), AUTH_INT, call=get(has_body=True))
    # Even a weaker algorithm is better than one that cannot be answered.
    _, step = challenged(digest(), AUTH_INT + b", algorithm=SHA-256", MD5, call=get(has_body=True))
    assert sent(step)[b"qop"] == b"auth"


@pytest.mark.parametrize(
    ("charset", "username", "hashed"),
    [
        (b", charset=UTF-8", b"username*=UTF-8''J%C3%A4s%22n%20Doe", 'Jäs"n Doe:r:pä'.encode()),
        (b"", b'username="J\xe4s\\"n Doe"', 'Jäs"n Doe:r:pä'.encode("latin-1")),
    ],
)
def test_names_beyond_ascii_go_as_the_server_reads_them(charset: bytes, username: bytes, hashed: bytes) -> None:
    _, step = challenged(digest('Jäs"n Doe', "pä"), SIMPLE % b"a" + charset)
    assert isinstance(step, Send)
    assert step.lines[0][1].startswith(b"Digest " + username + b", realm=")
    found = sent(step)
    assert found[b"response"] == expected(hashed, found)


def test_a_name_that_latin_1_does_not_have_goes_in_utf_8() -> None:
    _, step = challenged(digest("名"), SIMPLE % b"a")
    assert sent(step)[b"username"] == "名".encode()


def test_quotes_of_a_realm_are_escaped_again() -> None:
    _, step = challenged(digest("u", "p"), rb'Digest realm="a \"b\" \\", nonce="n", qop=auth')
    found = sent(step)
    assert found[b"realm"] == rb'a "b" \ '.strip()
    assert found[b"response"] == expected(rb'u:a "b" \:p', found)


def test_a_name_with_a_line_end_is_never_sent() -> None:
    with pytest.raises(CredentialUnavailable, match="control"):
        challenged(digest("a\r\nX: y"), SIMPLE % b"a")


@pytest.mark.parametrize(
    ("challenges", "named"),
    [
        ([b'Basic realm="x", Bearer', b"NTLM"], "basic, bearer, ntlm"),
        ([b'Digest realm="r", nonce="n", algorithm=MD4'], "digest"),
        ([b'Digest realm="r", nonce="n", qop="auth-conf"'], "digest"),
        ([b'Digest realm="r"'], "digest"),
    ],
)
def test_an_upstream_without_a_known_digest_is_named_with_what_it_offers(challenges: list[bytes], named: str) -> None:
    with pytest.raises(CredentialUnavailable, match=f"but: {named}$"):
        challenged(digest(), *challenges)


def test_a_401_without_a_challenge_is_the_applications_own() -> None:
    flow = digest().flow(get())
    next(flow)
    assert ends(flow, Seen(401, []))


def test_a_call_that_goes_out_once_gets_a_fresh_nonce_first() -> None:
    injector = digest()
    challenged(injector, SIMPLE % b"old")
    flow = injector.flow(get(has_body=True, repeatable=False))
    question = next(flow)
    assert isinstance(question, Send)
    assert (question.without_body, question.lines) == (True, ())
    step = flow.send(refusal(SIMPLE % b"a"))
    assert sent(step)[b"nonce"] == b"a"
    assert isinstance(step, Send)
    assert not step.without_body
    assert ends(flow, refusal(SIMPLE % b"b"))


@pytest.mark.parametrize("status", [200, 404, 500])
def test_a_call_that_goes_out_once_goes_out_where_no_login_is_asked_for(status: int) -> None:
    flow = digest().flow(get(has_body=True, repeatable=False))
    next(flow)
    step = flow.send(Seen(status, []))
    assert isinstance(step, Send)
    assert (step.without_body, step.lines) == (False, ())
    assert ends(flow, Seen(200, []))


def test_nothing_secret_is_shown() -> None:
    injector = digest()
    _, step = challenged(injector, MD5)
    assert injector.preview == ((b"Authorization", b"Digest ***"),)
    for text in (repr(step), repr(injector), repr(vars(injector))):
        assert "Circle" not in text
        assert "8ca523f5" not in text
