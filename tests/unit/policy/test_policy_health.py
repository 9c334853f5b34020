"""Targets are ejected for failed calls or checks, and come back slowly."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.policy.health import CheckState, Health, HealthSettings


@given(st.lists(st.booleans(), max_size=60), st.integers(1, 4), st.integers(1, 4))
def test_checks_rise_and_fall(results, rise, fall) -> None:
    state, up = CheckState(rise, fall), True
    for at, ok in enumerate(results):
        was = up
        row = results[: at + 1]
        if up and len(row) >= fall and not any(row[-fall:]):
            up = False
        elif not up and len(row) >= rise and all(row[-rise:]):
            up = True
        assert state.report(ok) is (up is not was)
        assert state.up is up
    missing = state.missing
    assert (missing == 0) is up
    # As many as it says bring it up, and no fewer.
    assert [state.report(True) for _ in range(missing)] == [False] * (missing - 1) + [True] * (missing > 0)


def test_failures_in_a_row_eject_for_longer_each_time_and_it_comes_back_slowly(clock) -> None:
    told: list = []
    health = Health(
        HealthSettings(failures=2, eject_for=10, eject_most=15, slow_start=20), clock, lambda *what: told.append(what)
    )
    health.failure()
    health.success()
    health.failure()
    assert health.share() == 1.0
    health.failure()
    assert health.share() == 0.0
    health.failure()
    clock.now += 10
    assert health.share() == 0.05
    clock.now += 10
    assert health.share() == pytest.approx(0.5)
    health.success()
    health.failure()
    assert health.share() == 0.0
    clock.now += 14.9
    assert health.share() == 0.0
    clock.now += 20.2
    assert health.share() == 1.0
    health.success()
    health.failure()
    health.failure()
    clock.now += 10
    assert health.share() > 0
    assert told == [
        (False, f"{row} failed calls in a row; ejected for {s} s") for row, s in ((2, 10), (1, 15), (2, 10))
    ]


def test_checks_take_it_out_and_bring_it_back_slowly(clock) -> None:
    health = Health(HealthSettings(slow_start=10), clock)
    health.failure()
    assert health.share() == 1.0
    assert [health.checked(False) for _ in range(3)] == [False, False, True]
    assert not health.up
    assert health.share() == 0.0
    assert [health.checked(True) for _ in range(2)] == [False, True]
    assert health.share() == 0.05
    clock.now += 5
    assert health.share() == pytest.approx(0.5)
    clock.now += 5
    assert health.share() == 1.0


def test_without_a_slow_start_it_is_back_at_once(clock) -> None:
    health = Health(HealthSettings(failures=1, eject_for=10), clock)
    health.failure()
    clock.now += 10
    assert health.share() == 1.0


def test_checks_that_succeed_bring_an_ejected_target_back_without_what_was_counted(clock) -> None:
    health = Health(HealthSettings(failures=2, eject_for=10, rise=1, fall=1), clock)
    health.failure()
    health.failure()
    health.checked(False)
    health.checked(True)
    assert (health.share(), health.left()) == (1.0, 0.0)
    health.failure()
    health.checked(False)
    health.checked(True)
    health.failure()
    assert health.share() == 1.0
    health.failure()
    # As after a first time in a row.
    assert health.left() == 10.0


def test_an_ejection_that_is_longer_than_the_longest_lasts_as_long_as_it_says(clock) -> None:
    health = Health(HealthSettings(failures=1, eject_for=30, eject_most=20), clock)
    health.failure()
    assert health.left() == 30.0


@pytest.mark.parametrize("wrong", [{"rise": 0}, {"fall": 0}, {"failures": -1}, {"eject_for": 0}, {"slow_start": -1}])
def test_settings_that_make_no_sense_are_refused(wrong: dict) -> None:
    with pytest.raises(ValueError):
        HealthSettings(**wrong)
