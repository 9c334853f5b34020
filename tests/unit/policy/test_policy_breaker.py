"""A breaker opens on failures, tries again with a few calls, and nothing wedges it."""

import asyncio

import pytest

from broker.core.errors import BrokerError
from broker.policy.breaker import CircuitBreaker, Permit
from broker.policy.breaker_settings import BreakerSettings, State

OPEN_FOR, WINDOW = 10.0, 20.0


def make(clock, changes: list | None = None, random: float = 0.0, **more) -> CircuitBreaker:
    note = (lambda old, new, why: changes.append((old.label, new.label, why))) if changes is not None else None
    return CircuitBreaker(BreakerSettings(**{"open_for": OPEN_FOR, **more}), clock, note, lambda: random)


def fail(breaker: CircuitBreaker, times: int = 1) -> None:
    for _ in range(times):
        permit = breaker.admit()
        assert isinstance(permit, Permit)
        permit.failure()


def test_failures_in_a_row_open_it_and_a_probe_closes_it(clock) -> None:
    changes: list = []
    breaker = make(clock, changes, failures=3)
    assert breaker.left() == 0.0
    fail(breaker, 2)
    breaker.admit().success()
    fail(breaker, 3)
    assert breaker.state is State.OPEN
    assert breaker.admit() == pytest.approx(OPEN_FOR)
    clock.now += 4
    assert breaker.admit() == pytest.approx(6)
    clock.now += 6
    probe = breaker.admit()
    assert isinstance(probe, Permit)
    assert breaker.state is State.HALF_OPEN
    assert breaker.admit() > 0
    probe.success()
    assert breaker.state is State.CLOSED
    assert [change[:2] for change in changes] == [("closed", "open"), ("open", "half-open"), ("half-open", "closed")]
    assert changes[0][2] == "3 failures in a row"


def test_a_share_of_failures_opens_it_once_there_were_enough_calls(clock) -> None:
    breaker = make(clock, failures=0, share=0.5, calls=10, window=WINDOW)
    fail(breaker, 9)
    clock.now += WINDOW * 2
    for _ in range(5):
        breaker.admit().success()
    fail(breaker, 4)
    assert breaker.state is State.CLOSED
    fail(breaker)
    assert breaker.state is State.OPEN


def test_what_failed_before_the_probes_succeeded_does_not_count_after(clock) -> None:
    breaker = make(clock, failures=0, share=0.5, calls=4, window=100.0)
    fail(breaker, 4)
    clock.now += OPEN_FOR
    breaker.admit().success()
    fail(breaker, 3)
    assert breaker.state is State.CLOSED


def test_the_time_grows_with_each_failed_probe_up_to_a_most_and_shrinks_after_success(clock) -> None:
    breaker = make(clock, failures=1, growth=2.0, open_most=30.0)
    fail(breaker)
    for expected in (10, 20, 30, 30):
        assert breaker.admit() == pytest.approx(expected)
        clock.now += expected
        fail(breaker)
    clock.now += 30
    breaker.admit().success()
    fail(breaker)
    assert breaker.admit() == pytest.approx(10)


def test_jitter_prolongs(clock) -> None:
    breaker = make(clock, failures=1, jitter=0.5, random=0.5)
    fail(breaker)
    assert breaker.admit() == pytest.approx(12.5)


def test_all_probes_have_to_succeed(clock) -> None:
    breaker = make(clock, failures=1, probes=2)
    fail(breaker)
    clock.now += OPEN_FOR
    first, second = breaker.admit(), breaker.admit()
    assert isinstance(breaker.admit(), float)
    first.success()
    assert isinstance(breaker.admit(), float)
    second.success()
    assert breaker.state is State.CLOSED


@pytest.mark.parametrize("how", ["drop", "ignore", "cancel", "lose"])
def test_a_probe_without_an_outcome_never_wedges_it(clock, how: str) -> None:
    breaker = make(clock, failures=1, patience=50.0)
    fail(breaker)
    clock.now += OPEN_FOR
    probe = breaker.admit()
    if how == "drop":
        del probe
    elif how == "ignore":
        probe.ignored()
    elif how == "cancel":
        with pytest.raises(asyncio.CancelledError), probe:
            raise asyncio.CancelledError
    else:
        assert breaker.admit() == pytest.approx(OPEN_FOR)
        clock.now += 45
        assert breaker.admit() == pytest.approx(5)
        clock.now += 5
    another = breaker.admit()
    assert isinstance(another, Permit)
    if how == "lose":
        probe.failure()
    assert breaker.state is State.HALF_OPEN
    another.success()
    assert breaker.state is State.CLOSED


def test_a_late_outcome_of_an_earlier_state_has_no_say(clock) -> None:
    breaker = make(clock, failures=1)
    late = [breaker.admit() for _ in range(3)]
    fail(breaker)
    clock.now += OPEN_FOR
    probe = breaker.admit()
    late[0].success()
    late[1].failure()
    late[2].ignored()
    assert breaker.state is State.HALF_OPEN
    assert isinstance(breaker.admit(), float)
    probe.success()
    assert breaker.state is State.CLOSED


def test_as_a_context_the_first_outcome_counts(clock) -> None:
    breaker = make(clock, failures=1)
    with breaker.admit():
        pass
    with pytest.raises(BrokerError), breaker.admit():
        raise BrokerError("body_too_large")
    with breaker.admit() as permit:
        permit.ignored()
        permit.failure()
    assert breaker.state is State.CLOSED
    with pytest.raises(BrokerError), breaker.admit():
        raise BrokerError("upstream_timeout")
    assert breaker.state is State.OPEN


@pytest.mark.parametrize(
    "wrong",
    [{"failures": 0}, {"share": 1.1}, {"probes": 0}, {"open_for": 0}, {"growth": 0.5}, {"jitter": -1}, {"window": 0}],
)
def test_settings_that_make_no_sense_are_refused(wrong: dict) -> None:
    with pytest.raises(ValueError):
        BreakerSettings(**wrong)
