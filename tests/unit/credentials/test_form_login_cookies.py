"""Cookies of a session, as RFC 6265 has them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.credentials.form_login_cookies import Cookie, Jar, default_path, parse_set_cookie, path_matches

NOW = 1_800_000_000.0


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"S=1", Cookie(b"S", b"1", b"/app", None)),
        (b" S = a=b ; HttpOnly; Secure", Cookie(b"S", b"a=b", b"/app", None)),
        (b'S="q v"; path=/x', Cookie(b"S", b'"q v"', b"/x", None)),
        (b"S=1; Path=/; Max-Age=60", Cookie(b"S", b"1", b"/", NOW + 60)),
        (b"S=1; path=nonsense", Cookie(b"S", b"1", b"/app", None)),
        (b"S=1; Max-Age=0", Cookie(b"S", b"1", b"/app", 0.0)),
        (b"S=1; Max-Age=-5; Expires=Wed, 09 Jun 2100 10:18:14 GMT", Cookie(b"S", b"1", b"/app", 0.0)),
        (b"S=1; Max-Age=x", Cookie(b"S", b"1", b"/app", None)),
        (b"S=; expires=Thu, 01-Jan-1970 00:00:00 GMT", Cookie(b"S", b"", b"/app", 0.0)),
        (b"S=1; Expires=Wed, 09 Jun 2021 10:18:14 GMT", Cookie(b"S", b"1", b"/app", 1623233894.0)),
        (b"S=1; Expires=Wednesday, 09-Jun-21 10:18:14 GMT", Cookie(b"S", b"1", b"/app", 1623233894.0)),
        (b"S=1; Expires=soon", Cookie(b"S", b"1", b"/app", None)),
        (b"nothing", None),
        (b"=1", None),
        (b"a b=1", None),
        (b"S=a\x00b", None),
    ],
)
def test_a_line_becomes_a_cookie(line: bytes, expected: Cookie | None) -> None:
    assert parse_set_cookie(line, b"/app/login?x=/y", NOW) == expected


@given(st.binary())
def test_no_line_crashes(line: bytes) -> None:
    cookie = parse_set_cookie(line, b"/", NOW)
    assert cookie is None or not set(b"\r\n\0;") & set(cookie.name + cookie.value)


@pytest.mark.parametrize(("target", "path"), [(b"/a/b?c", b"/a"), (b"/a", b"/"), (b"/", b"/"), (b"*", b"/")])
def test_a_cookie_without_a_path_gets_that_of_the_page(target: bytes, path: bytes) -> None:
    assert default_path(target) == path


@pytest.mark.parametrize(
    ("path", "cookie", "fits"),
    [
        (b"/a", b"/a", True),
        (b"/a/b", b"/a", True),
        (b"/ab", b"/a", False),
        (b"/a/b", b"/a/", True),
        (b"/a", b"/b", False),
    ],
)
def test_paths(path: bytes, cookie: bytes, fits: bool) -> None:
    assert path_matches(path, cookie) is fits


def test_a_jar_sends_sets_replaces_and_deletes() -> None:
    time = [NOW]
    jar = Jar(now=lambda: time[0])
    jar.take([b"A=1; Path=/", b"B=2; Path=/deep", b"C=3; Path=/; Max-Age=10"], b"/login")
    assert jar.header(b"/deep/x?q=1") == b"B=2; A=1; C=3"
    assert jar.header(b"/x") == b"A=1; C=3"
    time[0] += 11
    assert jar.header(b"/x") == b"A=1"
    jar.take([b"A=4; Path=/", b"NEW=1; Path=/"], b"/x", known=True)
    assert jar.header(b"/x") == b"A=4"
    jar.take([b"A=; Path=/; Max-Age=0", b"B=; Path=/deep; Max-Age=0"], b"/x", known=True)
    assert jar.empty
    assert jar.names == {b"A", b"B", b"C"}
    assert "4" not in repr(jar)


def test_a_jar_keeps_only_what_is_wanted_and_not_without_end() -> None:
    jar = Jar([b"S"])
    jar.take([b"S=1", b"T=2"], b"/")
    assert jar.header(b"/") == b"S=1"
    full = Jar()
    full.take([b"S%d=1" % n for n in range(1000)], b"/")
    assert len(full.header(b"/").split(b";")) == 50


def test_a_cookie_does_not_show_its_value() -> None:
    assert "s3cret" not in repr(Cookie(b"S", b"s3cret", b"/", None))
