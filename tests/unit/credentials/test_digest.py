"""Digest: the examples of the RFCs, names beyond ASCII, and the body's digest."""

import hashlib

import pytest
from digest_rig import (
    CNONCE,
    MD5,
    NONCE,
    OPAQUE,
    SHA256,
    SIMPLE,
    challenged,
    digest,
    ends,
    expected,
    get,
    sent,
)

from broker.credentials.flow import Call, CredentialUnavailable, Seen, Send


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
