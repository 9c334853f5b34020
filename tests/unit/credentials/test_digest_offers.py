"""`WWW-Authenticate` as servers write it, and as nobody should."""

import struct
from base64 import b64encode
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from broker.credentials.digest import DigestInjector
from broker.credentials.digest_nonces import Counts
from broker.credentials.flow import Await, Call, CredentialUnavailable, Injector, Seen, Send
from broker.credentials.negotiate import NegotiateInjector
from broker.credentials.ntlm import NtlmInjector
from broker.credentials.offers import Offer, named, offers

PIECES = st.sampled_from(
    b'Digest |NTLM|Negotiate |realm=|nonce="n"|"|\\|,| |=|qop=auth|qop=|qop="auth-int"|algorithm=SHA-256-sess|'
    b"stale=true|TlRMTVNTUAACAAAA|userhash=true|\xff".split(b"|")
)
HEADERS = st.lists(st.one_of(st.binary(max_size=60), st.lists(PIECES, max_size=14).map(b"".join)), max_size=3)


@pytest.mark.parametrize(
    ("values", "found"),
    [
        (
            [b'Digest realm="a, b=\\"c\\"", nonce="n", Basic realm="x"', b"NTLM"],
            [(b"digest", b'realm="a, b=\\"c\\"", nonce="n"'), (b"basic", b'realm="x"'), (b"ntlm", b"")],
        ),
        ([b"Negotiate YII==, NTLM TlRM="], [(b"negotiate", b"YII=="), (b"ntlm", b"TlRM=")]),
        ([b"NEGOTIATE  YII="], [(b"negotiate", b"YII=")]),
        ([b"Digest realm = r,\tnonce =n"], [(b"digest", b"realm = r, nonce =n")]),
        ([b'realm="of nothing"', b"", b", ,"], []),
        ([b'Basic realm="unclosed, Digest nonce=x'], [(b"basic", b'realm="unclosed, Digest nonce=x')]),
    ],
)
def test_challenges_are_told_apart(values: list[bytes], found: list[tuple[bytes, bytes]]) -> None:
    assert offers(values) == [Offer(scheme, rest) for scheme, rest in found]


def test_schemes_are_named_once_and_not_without_end() -> None:
    assert named(offers([b"Basic", b"Basic x=y", b"NTLM"])) == "basic, ntlm"
    assert named([]) == "nothing"
    assert len(named(offers([b"%d" % number for number in range(1000)]))) < 100


def test_a_long_value_is_read_in_linear_time() -> None:
    assert offers([b'Digest x="' + b"\\" * 200_000 + b"," * 200_000])


def injectors() -> list[Injector]:
    async def yes() -> bool:
        return True

    return [
        DigestInjector(lambda: b"u", lambda: b"p", yes),
        NtlmInjector(lambda: b"u", lambda: b"p", yes),
        NegotiateInjector(lambda: b"u", lambda: b"p", yes),
    ]


def drive(injector: Injector, answers: list[list[bytes]], *, has_body: bool) -> None:
    """Refuse the call each time, with the next of these challenges, until the flow ends."""
    flow = injector.flow(Call(b"POST", b"/", b"h", has_body=has_body))
    value: Any = None
    sends = 0
    while True:
        try:
            step = flow.send(value)
        except (StopIteration, CredentialUnavailable):
            return
        if isinstance(step, Await):
            value = True
            continue
        assert isinstance(step, Send)
        assert all(byte not in b"\r\n\0" for _, line in step.lines for byte in line)
        value = Seen(401, [(b"WWW-Authenticate", one) for one in answers[sends % len(answers)]])
        sends += 1
        assert sends <= 10


@given(answers=st.lists(HEADERS, min_size=1, max_size=6), has_body=st.booleans())
@example(answers=[[b'Digest nonce="n", stale=true, qop="auth"']], has_body=False)
@example(answers=[[b"NTLM TlRMTVNTUAACAAAA", b"Negotiate TlRMTVNTUAACAAAA"]], has_body=True)
def test_whatever_an_upstream_writes_the_flow_ends(answers: list[list[bytes]], *, has_body: bool) -> None:
    for injector in injectors():
        injector.blocking = False  # type: ignore[attr-defined]
        drive(injector, answers, has_body=has_body)


@given(at=st.integers(8, 200), to=st.binary(max_size=12), cut=st.integers(0, 250))
def test_an_ntlm_challenge_with_anything_in_it_is_answered_or_refused(at: int, to: bytes, cut: int) -> None:
    """A challenge of a real server, with some bytes overwritten, and its end cut off."""
    message = bytearray(
        b"NTLMSSP\0" + struct.pack("<IHHIIQQHHI", 2, 8, 8, 56, 0xE28A8235, 7, 0, 44, 44, 64) + b"\x0a" * 8
    )
    message += "CORP".encode("utf-16-le")
    for number in (1, 2, 3, 4):
        message += struct.pack("<HH", number, 6) + "WMS".encode("utf-16-le")
    message += bytes(4)
    message[at : at + len(to)] = to
    token = b64encode(bytes(message[: len(message) - cut] if cut < len(message) else message))
    drive(injectors()[1], [[b"NTLM " + token]], has_body=True)


@given(st.lists(st.integers(0, 3), max_size=40))
def test_no_count_comes_twice_for_a_nonce(nonces: list[int]) -> None:
    counts = Counts()
    used = [(nonce, counts.following(b"%d" % nonce)) for nonce in nonces]
    assert len(set(used)) == len(used)


def test_counts_are_not_kept_without_end() -> None:
    counts = Counts()
    for number in range(3000):
        counts.following(b"%d" % number)
    assert len(vars(counts)["_used"]) == 1024
