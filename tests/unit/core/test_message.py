"""Which fields belong to one hop, and which only pretend to be something."""

import re

import pytest
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
SIGNS = [bytes([sign]) for sign in b"!#$%&'*+._`|~"]
"""What a name may have besides letters, digits and hyphens (RFC 9110 section 5.6.2)."""
FORWARDING = st.sampled_from([b"x-forwarded-for", b"x-forwarded-host", b"x-real-ip", b"forwarded"])


def cased(name: bytes, upper: list[bool]) -> bytes:
    flags = upper + [False] * len(name)
    return bytes(ord(chr(c).upper()) if up else c for c, up in zip(name, flags, strict=False))


@given(FORWARDING, st.lists(st.booleans(), max_size=16))
def test_forwarding_fields_are_known_in_any_case_and_disguise(name: bytes, upper: list[bool]) -> None:
    assert is_forwarding(cased(name, upper))
    for sign in SIGNS:
        assert is_forwarding(cased(name, upper).replace(b"-", sign))


@given(GUARDED, st.lists(st.booleans(), max_size=16))
def test_a_lookalike_is_known_in_any_case_and_the_real_field_is_none(name: bytes, upper: list[bool]) -> None:
    for sign in SIGNS:
        assert is_lookalike(cased(name, upper).replace(b"-", sign))
    assert not is_lookalike(cased(name, upper))


@given(NAMES)
def test_a_normal_name_stays_normal(name: bytes) -> None:
    assert normal(normal(name)) == normal(name)
    assert b"_" not in normal(name)


@given(st.binary(max_size=30))
def test_letters_and_digits_are_all_that_tells_names_apart(name: bytes) -> None:
    expected = re.sub(rb"[^a-z0-9]", b"-", name.lower())
    assert normal(name) == expected


@pytest.mark.parametrize("name", [b"Content-Type", b"X.Y", b"Content.Type", b"X_Forward", b"via~", b"SOAPAction"])
def test_other_names_are_no_lookalikes(name: bytes) -> None:
    assert not is_lookalike(name)
    assert not is_forwarding(name)


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
