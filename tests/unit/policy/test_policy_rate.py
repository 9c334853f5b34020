"""A bucket never lets more through than its rate, in no window, and says truly how long to wait."""

from math import ceil, inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.core.errors import BrokerError
from broker.policy.rate import Rate, TokenBucket, TokenBuckets, parse_rate, retry_after
from broker.policy.refusal import refusal


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("100/s", Rate(100, 100)),
        ("600/m", Rate(10, 10)),
        ("30/m", Rate(0.5, 1)),
        ("5000/h", Rate(5000 / 3600, 2)),
        ("10/s burst 20", Rate(10, 20)),
    ],
)
def test_rates_are_read(text: str, rate: Rate) -> None:
    assert parse_rate(text) == rate


@pytest.mark.parametrize(
    "value",
    [
        *["", "100", "100/d", "100 /s", "-1/s", "1.5/s", "10/s burst", "10/s  burst 20", "0/s", "10/s burst 0"],
        *["1/s\n", "\u0661/s", 100, None, True, ["1/s"]],
    ],
)
def test_anything_else_is_refused_in_words(value: object) -> None:
    with pytest.raises(ValueError, match="expected a "):
        parse_rate(value)


@pytest.mark.parametrize(("per_second", "burst"), [(0, 1), (-1, 1), (inf, 1), (1, 0.5), (1, inf)])
def test_a_rate_that_could_never_or_always_let_a_call_pass_is_none(per_second: float, burst: float) -> None:
    with pytest.raises(ValueError):
        Rate(per_second, burst)


def test_a_burst_passes_and_the_next_waits_as_long_as_told(clock) -> None:
    bucket = TokenBucket(Rate(10, 3), clock)
    assert [bucket.take() for _ in range(3)] == [0.0] * 3
    assert bucket.left() == pytest.approx(0)
    wait = bucket.take()
    assert wait == pytest.approx(0.1)
    clock.now += wait - 0.001
    assert bucket.take() > 0
    clock.now += 0.001
    assert bucket.take() == 0.0
    clock.now += 100
    assert bucket.left() == 3


def test_a_long_rest_saves_up_no_more_than_the_burst(clock) -> None:
    bucket = TokenBucket(Rate(10, 3), clock)
    bucket.take()
    clock.now += 100
    assert [bucket.take() > 0 for _ in range(4)] == [False, False, False, True]


def test_a_cost_above_the_burst_never_passes_and_takes_nothing(clock) -> None:
    bucket = TokenBucket(Rate(10, 3), clock)
    assert bucket.take(4) == inf
    assert bucket.take(3) == 0.0


def test_what_is_given_back_can_be_taken_again(clock) -> None:
    bucket = TokenBucket(Rate(1, 1), clock)
    assert bucket.take() == 0.0
    bucket.give_back()
    assert bucket.take() == 0.0
    assert bucket.take() == pytest.approx(1)


PAUSES = st.sampled_from([0.0, 0.0, 0.0, 0.25, 5.0]) | st.floats(0, 5)


@given(
    st.floats(0.01, 1000),
    st.integers(1, 10),
    st.lists(st.tuples(PAUSES, st.sampled_from([1.0, 1.0, 2.0, 0.5])), max_size=60),
)
def test_no_window_holds_more_than_the_burst_and_what_drips_in(per_second, burst, steps) -> None:
    now, taken = 1e6, []
    bucket = TokenBucket(Rate(per_second, burst), lambda: now)
    for pause, cost in steps:
        now += pause
        wait = bucket.take(cost)
        if wait == 0.0:
            taken.append((now, cost))
        elif wait < inf:
            now += wait
            assert bucket.take(cost) == 0.0
            taken.append((now, cost))
    for first in range(len(taken)):
        total = 0.0
        for at, cost in taken[first:]:
            total += cost
            assert total <= burst + per_second * (at - taken[first][0]) + 1e-6 * per_second + 1e-6


@given(st.floats(0, 10_000))
def test_retry_after_is_never_too_early(seconds: float) -> None:
    told = retry_after(seconds)
    assert 1 <= told <= 3600
    assert told >= min(seconds, 3600)
    assert told <= max(1, ceil(seconds))


def test_a_refusal_carries_the_wait() -> None:
    error = refusal("rate_limited", 1.2)
    assert isinstance(error, BrokerError)
    assert error.status == 429
    assert error.headers == (("Retry-After", "2"),)
    assert refusal("rate_limited", inf).headers == (("Retry-After", "3600"),)


def test_each_key_has_its_bucket_and_the_oldest_key_is_forgotten(clock) -> None:
    buckets = TokenBuckets(Rate(1, 1), clock, most=2)
    assert buckets.take("a") == 0.0
    assert buckets.take("b") == 0.0
    assert buckets.take("a") > 0
    assert buckets.take("c") == 0.0
    assert len(buckets) == 2
    assert buckets.take("a") > 0
    assert buckets.take("b") == 0.0


def test_another_burst_leaves_a_bucket_as_full_as_it_is_and_a_debt_as_it_is(clock) -> None:
    bucket = TokenBucket(Rate(1.0, 10.0), clock)
    bucket.take(5.0)
    bucket.reconfigure(Rate(1.0, 20.0))
    assert bucket.left() == pytest.approx(10.0)
    bucket.take(10.0)
    bucket.take(1.0, debt=1.0)
    bucket.reconfigure(Rate(1.0, 100.0))
    assert bucket.left() == pytest.approx(-1.0)
