"""A pause that an upstream asked for is kept by all, and never longer than the most."""

import time
from calendar import timegm
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.policy.pause import Pauses, parse_retry_after

NOW = float(timegm((1994, 11, 6, 8, 49, 0)))
KEY = ("warehouse", "wms")


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (b"120", 120),
        (b" 0 ", 0),
        (b"007", 7),
        (b"9" * 400, 1e9),
        (b"Sun, 06 Nov 1994 08:49:37 GMT", 37),
        (b"Sunday, 06-Nov-94 08:49:37 GMT", 37),
        (b"Sun Nov  6 08:49:37 1994", 37),
        (b"Sat, 05 Nov 1994 08:49:37 GMT", 0),
    ],
)
def test_seconds_and_all_three_dates_are_read(value: bytes, seconds: float) -> None:
    assert parse_retry_after(value, NOW) == seconds


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"-1",
        b"1.5",
        b"soon",
        b"12 s",
        b"\xb2",
        b"Sun, 06 Nov 1994 08:49:37 CET",
        b"Sun, 99 Nov 1994 08:49:37 GMT",
        b"Sun, 06 Xxx 1994 08:49:37 GMT",
        b"Sun, 06 Nov 1994 25:49:37 GMT",
        b"1994-11-06T08:49:37Z",
    ],
)
def test_anything_else_says_nothing(value: bytes) -> None:
    assert parse_retry_after(value, NOW) is None


@given(st.binary(max_size=40))
def test_no_bytes_make_it_fail(value: bytes) -> None:
    seconds = parse_retry_after(value, NOW)
    assert seconds is None or seconds >= 0


@given(st.integers(int(NOW), 5_000_000_000))
def test_every_imf_date_is_read(seconds: int) -> None:
    when = datetime.fromtimestamp(seconds, UTC)
    text = when.strftime("%a, %d %b %Y %H:%M:%S GMT").encode()
    assert parse_retry_after(text, NOW) == seconds - NOW


def test_a_date_that_names_no_zone_is_gmt_wherever_the_broker_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    try:
        with monkeypatch.context() as elsewhere:
            elsewhere.setenv("TZ", "EST5")
            time.tzset()
            assert parse_retry_after(b"Sun Nov  6 08:49:37 1994", NOW) == 37
    finally:
        time.tzset()


def test_a_pause_holds_for_its_key_until_it_is_over(clock) -> None:
    pauses = Pauses(clock, lambda: NOW)
    assert pauses.left(KEY) == 0.0
    assert pauses.note(KEY, 503, b"10") == 10
    assert pauses.left(KEY) == 10
    assert pauses.left(("warehouse", "other")) == 0.0
    clock.now += 4
    assert pauses.note(KEY, 429, b"1") == 6
    assert pauses.left(KEY) == 6
    clock.now += 6
    assert pauses.left(KEY) == 0.0
    assert len(pauses) == 0


def test_it_is_capped_and_other_answers_ask_for_none(clock) -> None:
    pauses = Pauses(clock, lambda: NOW, most=60)
    assert pauses.note(KEY, 200, b"10") == 0.0
    assert pauses.note(KEY, 503, None) == 0.0
    assert pauses.note(KEY, 503, b"soon") == 0.0
    assert pauses.note(KEY, 503, b"0") == 0.0
    assert len(pauses) == 0
    assert pauses.note(KEY, 503, b"99999") == 60
    assert Pauses(clock, lambda: NOW, default=2).note(KEY, 429, None) == 2


def test_memory_is_bounded_and_the_shortest_pause_goes_first(clock) -> None:
    pauses = Pauses(clock, lambda: NOW, keys=3)
    for key, seconds in (("a", 5), ("b", 1), ("c", 9), ("d", 7)):
        pauses.set(key, seconds)
    assert [pauses.left(key) for key in "abcd"] == [5, 0, 9, 7]
    clock.now += 6
    pauses.set("e", 4)
    assert [pauses.left(key) for key in "acde"] == [0, 3, 1, 4]
