"""Which fields belong to one hop, and which only pretend to be something."""

from hypothesis import given
from hypothesis import strategies as st

from broker.core.message import (
    HOP_BY_HOP,
    connection_options,
    is_forwarding,
    is_lookalike,
    named_for_removal,
    normal,
)

NAMES = st.text("abcxyzABCXYZ-_0123456789", min_size=1, max_size=20).map(str.encode)
GUARDED = st.sampled_from([b"content-length", b"transfer-encoding"])
FORWARDING = st.sampled_from([b"x-forwarded-for", b"x-forwarded-host", b"x-real-ip", b"forwarded"])


def cased(name: bytes, upper: list[bool]) -> bytes:
    flags = upper + [False] * len(name)
    return bytes(ord(chr(c).upper()) if up else c for c, up in zip(name, flags, strict=False))


@given(FORWARDING, st.lists(st.booleans(), max_size=16))
def test_forwarding_fields_are_known_in_any_case_and_with_underscores(name: bytes, upper: list[bool]) -> None:
    assert is_forwarding(cased(name, upper))
    assert is_forwarding(cased(name, upper).replace(b"-", b"_"))


@given(GUARDED, st.lists(st.booleans(), max_size=16))
def test_a_lookalike_is_known_in_any_case_and_the_real_field_is_none(name: bytes, upper: list[bool]) -> None:
    assert is_lookalike(cased(name, upper).replace(b"-", b"_"))
    assert not is_lookalike(cased(name, upper))


@given(NAMES)
def test_a_normal_name_stays_normal(name: bytes) -> None:
    assert normal(normal(name)) == normal(name)
    assert b"_" not in normal(name)


@given(st.lists(NAMES, min_size=1))
def test_connection_options_survive_any_spelling_of_their_list(names: list[bytes]) -> None:
    expected = {name.lower() for name in names}
    assert connection_options([b" ,\t".join(names)]) == expected
    assert connection_options([*names, b"", b" , "]) == expected


def test_connection_never_removes_what_frames_routes_or_traces() -> None:
    named = connection_options([b"Host, Content-Length, X-Forwarded-For, Forwarded, Via, X-Real-IP, X-Mine"])
    assert named_for_removal(named) == {b"x-mine"}


def test_the_fields_of_one_hop_are_those_of_the_standard() -> None:
    standard = {b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade"}
    assert standard <= HOP_BY_HOP
    assert not HOP_BY_HOP & {b"authorization", b"www-authenticate", b"cookie", b"set-cookie"}
