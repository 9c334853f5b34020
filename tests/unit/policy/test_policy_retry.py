"""A call is made again only where that is safe, not too often, and not too late."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.policy.retry import IDEMPOTENT, Backoff, Reason, RetryBudget, may_retry
from broker.policy.window import STEPS, SlidingCounts


@pytest.mark.parametrize(
    ("reason", "method", "idempotent", "left", "started", "at_hand", "again"),
    [
        (Reason.CONNECT, b"POST", None, False, False, False, True),
        (Reason.STALE, b"POST", None, True, False, True, False),
        (Reason.STALE, b"GET", None, True, False, True, True),
        (Reason.RESET, b"POST", True, True, False, True, True),
        (Reason.RESET, b"POST", True, True, False, False, False),
        (Reason.RESET, b"PUT", None, True, False, True, True),
        (Reason.RESET, b"GET", False, True, False, True, False),
        (Reason.BUSY, b"POST", None, True, False, True, False),
        (Reason.BUSY, b"DELETE", None, True, False, True, True),
        (Reason.GATEWAY, b"PATCH", None, True, False, True, False),
        (Reason.TIMEOUT, b"GET", None, True, False, True, False),
        (Reason.TIMEOUT, b"GET", None, False, False, True, True),
        (Reason.RESET, b"GET", None, True, True, True, False),
    ],
)
def test_the_table(reason, method, idempotent, left, started, at_hand, again) -> None:
    assert again is may_retry(
        reason,
        method=method,
        idempotent=idempotent,
        bytes_left=left,
        response_started=started,
        body_at_hand=at_hand,
    )


def test_nothing_that_was_sent_and_is_not_idempotent_is_ever_sent_again() -> None:
    yes_no = (True, False)
    for reason, method, idempotent, started, at_hand in product(
        Reason, [b"POST", b"PATCH", b"get", b"LOCK", b"GET"], [None, False], yes_no, yes_no
    ):
        if idempotent is None and method in IDEMPOTENT:
            continue
        assert not may_retry(
            reason,
            method=method,
            idempotent=idempotent,
            bytes_left=True,
            response_started=started,
            body_at_hand=at_hand,
        )


def test_a_budget_has_a_floor_and_grows_with_the_traffic(clock) -> None:
    budget = RetryBudget(clock, share=0.2, floor=2, window=10)
    assert [budget.take() for _ in range(3)] == [True, True, False]
    for _ in range(10):
        budget.call()
    assert [budget.take() for _ in range(3)] == [True, True, False]
    clock.now += 11
    assert [budget.take() for _ in range(3)] == [True, True, False]


@given(st.lists(st.tuples(st.floats(0, 4), st.booleans()), max_size=200))
def test_retries_never_exceed_the_share(steps) -> None:
    now, calls, retries = 0.0, [], []
    budget = RetryBudget(lambda: now, share=0.25, floor=1, window=10.0)
    for pause, retry in steps:
        now += pause
        if not retry:
            calls.append(now)
            budget.call()
        elif budget.take():
            retries.append(now)
            # The window's first step may be cut off, but a retry is never paid for by what is older.
            recent = sum(at > now - 10.0 for at in calls)
            assert sum(at > now - 9.0 for at in retries) <= 1 + 0.25 * recent


@given(st.lists(st.tuples(st.floats(0, 7), st.integers(0, 3), st.integers(0, 3)), max_size=80))
def test_sliding_counts_are_those_of_the_last_steps(steps) -> None:
    counts, now, naive = SlidingCounts(20.0), 0.0, []
    for pause, more, hits in steps:
        now += pause
        counts.add(now, more, hits)
        step = int(now // (20.0 / STEPS))
        naive.append((step, more, hits))
        assert counts.total == sum(entry[1] for entry in naive if entry[0] > step - STEPS)
        assert counts.hits == sum(entry[2] for entry in naive if entry[0] > step - STEPS)


def test_a_window_is_longer_than_nothing_and_can_be_cleared(clock) -> None:
    with pytest.raises(ValueError):
        SlidingCounts(0)
    with pytest.raises(ValueError):
        RetryBudget(clock, share=-1)
    counts = SlidingCounts(1)
    counts.add(1.0, 1, 1)
    counts.clear()
    assert (counts.total, counts.hits) == (0, 0)


@given(st.integers(0, 2000), st.floats(-5, 100), st.floats(0, 20), st.floats(0, 1, exclude_max=True))
def test_a_delay_ends_in_time_for_the_retry(attempt, remaining, at_least, random) -> None:
    delay = Backoff(base=0.1, most=5.0, reserve=0.5, random=lambda: random).delay(attempt, remaining, at_least)
    if delay is None:
        assert remaining - 0.5 <= 0 or at_least > remaining - 0.5
    else:
        assert at_least <= delay <= remaining - 0.5
        assert delay <= at_least + min(5.0, 0.1 * 2.0 ** min(max(0, attempt - 1), 64))


def test_delays_grow_with_full_jitter() -> None:
    backoff = Backoff(base=1.0, most=6.0, reserve=0.0, random=lambda: 0.5)
    assert [backoff.delay(attempt, 100.0) for attempt in (1, 2, 3, 4)] == [0.5, 1.0, 2.0, 3.0]
    assert 0 <= Backoff().delay(1, 100.0) <= 0.1
