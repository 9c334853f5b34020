"""A reload with other settings makes nothing another one, and changes nothing before it is put to work."""

import asyncio
from math import inf
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.compile_carry import heir, settle
from broker.core.rates import Rate
from broker.policy.breaker import CircuitBreaker, Permit
from broker.policy.breaker_settings import BreakerSettings, State
from broker.policy.bulkhead import BulkheadSettings
from broker.policy.health import Health, HealthSettings
from broker.policy.rate import TokenBucket
from broker.policy.registry import Registry

NAME = ("upstream", "back")


async def test_calls_of_before_count_and_waiters_are_let_in_when_it_is_put_to_work(clock: Any) -> None:
    running = Registry(clock)
    bulkhead = running.bulkhead(NAME, BulkheadSettings(2, queue=5))
    for _ in range(2):
        await bulkhead.enter()
    waiting = asyncio.create_task(bulkhead.enter())
    await asyncio.sleep(0)
    following = heir(running)
    assert following.bulkhead(NAME, BulkheadSettings(3, queue=1)) is bulkhead
    settle(following)
    assert (bulkhead.limit, bulkhead.waiting) == (2, 1)
    assert running.changes == []
    following.apply()
    await waiting
    assert (bulkhead.limit, bulkhead.active) == (3, 3)
    # Nothing is done twice, and nothing of it by the next.
    bulkhead.set_limit(7)
    following.apply()
    heir(following).apply()
    assert bulkhead.limit == 7


def test_what_is_not_put_to_work_changes_nothing(clock: Any) -> None:
    running = Registry(clock)
    bucket = running.bucket(NAME, Rate(1.0, 9.0))
    dropped = heir(running)
    dropped.bucket(NAME, Rate(100.0, 100.0))
    following = heir(running)
    assert following.bucket(NAME, Rate(1.0, 9.0)) is bucket
    following.apply()
    assert bucket.left() == 9.0


def test_an_empty_bucket_stays_empty_at_another_rate(clock: Any) -> None:
    running = Registry(clock)
    bucket = running.bucket(NAME, Rate(1.0, 5.0))
    while not bucket.take():
        pass
    for burst in (50.0, 5.0, 500.0):
        running = heir(running)
        assert running.bucket(NAME, Rate(2.0, burst)) is bucket
        running.apply()
        assert bucket.left() == pytest.approx(0.0)
        assert bucket.take() == pytest.approx(0.5)


RATES = st.builds(Rate, st.sampled_from([0.5, 1.0, 20.0]), st.sampled_from([1.0, 5.0, 100.0]))


@given(st.lists(RATES, min_size=2, max_size=12), st.floats(-1.0, 1.0))
def test_a_bucket_is_as_full_at_another_rate_as_before(rates: list[Rate], share: float) -> None:
    bucket = TokenBucket(rates[0], lambda: 1000.0)
    while not bucket.take() and bucket.left() > share * rates[0].burst:
        pass
    if share < 0:
        bucket.take(debt=1.0)
    left, burst = bucket.left(), rates[0].burst
    for rate in rates:
        bucket.reconfigure(rate)
    expected = left * rates[-1].burst / burst if left > 0 else left
    assert bucket.left() == pytest.approx(expected, abs=1e-6)


def opened(clock: Any, settings: BreakerSettings) -> CircuitBreaker:
    breaker = CircuitBreaker(settings, clock)
    while breaker.state is State.CLOSED:
        admit(breaker).failure()
    return breaker


def admit(breaker: CircuitBreaker) -> Permit:
    permit = breaker.admit()
    assert isinstance(permit, Permit)
    return permit


def test_an_open_circuit_stays_open_but_for_no_longer_than_it_now_would(clock: Any) -> None:
    breaker = opened(clock, BreakerSettings(failures=2, open_for=60.0))
    breaker.reconfigure(BreakerSettings(failures=9, open_for=600.0))
    assert (breaker.state, breaker.left()) == (State.OPEN, pytest.approx(60.0))
    breaker.reconfigure(BreakerSettings(failures=9, open_for=5.0))
    assert (breaker.state, breaker.left()) == (State.OPEN, pytest.approx(5.0))
    clock.now += 5.0
    admit(breaker).success()
    assert breaker.state is State.CLOSED


def test_a_half_open_circuit_finds_out_anew_and_probes_of_before_have_no_say(clock: Any) -> None:
    breaker = opened(clock, BreakerSettings(failures=1, open_for=5.0, probes=3))
    clock.now += 5.0
    admit(breaker).success()
    late = admit(breaker)
    breaker.reconfigure(BreakerSettings(failures=1, open_for=5.0, probes=1))
    late.failure()
    assert breaker.state is State.HALF_OPEN
    admit(breaker).success()
    assert breaker.state is State.CLOSED


def test_failures_in_a_row_count_on_and_a_share_can_be_had_or_dropped(clock: Any) -> None:
    breaker = CircuitBreaker(BreakerSettings(failures=5), clock)
    for _ in range(3):
        admit(breaker).failure()
    breaker.reconfigure(BreakerSettings(failures=5, share=0.5, calls=4))
    admit(breaker).failure()
    assert breaker.state is State.CLOSED
    breaker.reconfigure(BreakerSettings(failures=5))
    admit(breaker).failure()
    assert breaker.state is State.OPEN


def test_the_share_goes_on_where_the_window_is_as_long(clock: Any) -> None:
    breaker = CircuitBreaker(BreakerSettings(failures=0, share=0.5, calls=10), clock)
    for _ in range(4):
        admit(breaker).failure()
    breaker.reconfigure(BreakerSettings(failures=0, share=0.5, calls=5))
    admit(breaker).failure()
    assert breaker.state is State.OPEN


def test_an_ejected_target_stays_ejected_but_for_no_longer_than_it_now_would(clock: Any) -> None:
    health = Health(HealthSettings(failures=1, eject_for=60.0, slow_start=10.0), clock)
    health.failure()
    health.reconfigure(HealthSettings(failures=3, eject_for=600.0))
    assert (health.share(), health.left()) == (0.0, pytest.approx(60.0))
    health.reconfigure(HealthSettings(failures=3, eject_for=5.0, slow_start=10.0))
    assert (health.share(), health.left()) == (0.0, pytest.approx(5.0))
    clock.now += 10.0
    assert health.share() == pytest.approx(0.5)
    health.reconfigure(HealthSettings(failures=3, eject_for=5.0))
    assert health.share() == 1.0


def test_what_is_not_ejected_any_more_comes_back(clock: Any) -> None:
    health = Health(HealthSettings(failures=1), clock)
    health.failure()
    health.reconfigure(HealthSettings())
    assert health.share() == 1.0


def test_a_target_that_checks_found_down_stays_down_and_rises_by_the_new_row(clock: Any) -> None:
    health = Health(HealthSettings(rise=5, fall=1), clock)
    health.checked(ok=False)
    health.reconfigure(HealthSettings(rise=1, fall=1))
    assert (health.share(), health.left()) == (0.0, inf)
    health.checked(ok=True)
    assert health.share() == 1.0


def test_a_retry_budget_counts_on(clock: Any) -> None:
    running = Registry(clock)
    budget = running.budget(NAME, 0.2)
    while budget.take():
        pass
    following = heir(running)
    assert following.budget(NAME, 0.5) is budget
    following.apply()
    assert not budget.take()
    for _ in range(2):
        budget.call()
    assert budget.take()


def test_settings_that_come_back_count_again(clock) -> None:
    registry = Registry(clock)
    for limit in (2, 5, 2):
        registry.bulkhead(("upstream", "u"), BulkheadSettings(limit))
        registry.apply()
        assert registry.limit(("upstream", "u")) == limit
