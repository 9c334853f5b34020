"""What an adaptive limit is made of: how sure a mean is, what was too much, and how long a measurement may take."""

import logging
from math import inf

import pytest

from broker.policy.adaptive_bulkhead import AdaptiveBulkhead
from broker.policy.adaptive_ceiling import Ceiling
from broker.policy.adaptive_dip import Dip
from broker.policy.adaptive_sample import Quiet, Sample
from broker.policy.adaptive_settings import AdaptiveSettings
from broker.policy.bulkhead import BulkheadSettings
from broker.policy.registry import Registry

CALM = 10.0


def sample(*seconds: float, active: int = 1, limit: int = 2) -> Sample:
    found = Sample(0.0)
    for each in seconds:
        found.add(each, active, limit, overloaded=False)
    return found


def test_a_mean_of_few_calls_that_differ_is_not_sure() -> None:
    assert sample(0.1, 0.1, 0.1).error(0.0) == pytest.approx(0.0)
    assert sample(0.1, 0.3).error(0.0) == pytest.approx(0.5 / 2**0.5)
    # Known to differ, though these happen to be alike.
    assert sample(0.1, 0.1, 0.1, 0.1).error(1.0) == pytest.approx(0.5)
    assert sample().error(1.0) == inf


def test_overloaded_calls_do_not_say_how_long_the_work_takes() -> None:
    found = sample(0.1)
    found.add(50.0, 2, 2, overloaded=True)
    assert (found.mean, found.calls, found.count) == (0.1, 2, 1)


@pytest.mark.parametrize(("full", "wanted"), [(0, False), (1, False), (2, True)])
def test_more_is_wanted_where_one_call_in_twenty_finds_it_full(full: int, wanted: bool) -> None:
    found = sample(*[0.1] * (40 - full))
    for _ in range(full):
        found.add(0.1, 2, 2, overloaded=False)
    assert found.wanted_more is wanted


def test_the_quiet_service_is_the_same_unless_it_has_surely_changed() -> None:
    quiet = Quiet()
    assert quiet.take(0.1, 0.2, 20)
    assert not quiet.take(0.13, 0.2, 20)
    assert quiet.mean == pytest.approx(0.115)
    assert quiet.error < 0.2
    assert quiet.take(0.3, 0.05, 20)
    assert quiet.mean == 0.3


def test_what_was_measured_long_ago_counts_only_so_much() -> None:
    quiet = Quiet()
    quiet.take(1.0, 0.1, 100_000)
    quiet.take(1.0, 0.1, 1)
    quiet.take(1.1, 0.1, 200)
    assert quiet.mean == pytest.approx(1.05)


def test_measurements_take_a_small_part_of_the_time_and_are_not_given_up_at_once() -> None:
    dip = Dip(AdaptiveSettings(measure_every=60.0, window=1.0), 0.0)
    dip.begin(0.0, costs=True)
    assert not dip.overdue(0.9, 0.0)
    assert dip.overdue(1.1, 0.0)
    dip.end(30.0)
    assert not dip.due(30.0 + 500.0)
    assert dip.due(30.0 + 600.0)


def test_what_was_too_much_is_tried_again_with_one_call_more_and_ever_more_seldom() -> None:
    ceiling = Ceiling(60.0)
    assert ceiling.grown(19.0, 2.0, 0.0, CALM) == 21.0
    ceiling.failed(21.0, 0.0)
    assert ceiling.grown(17.0, 2.0, 1.0, CALM) == 18.0
    now, tried = 0.0, []
    while len(tried) < 6:
        now += 1.0
        if ceiling.grown(18.0, 2.0, now, CALM) > 18.0:
            tried.append(now)
            assert ceiling.value == 19.0
            ceiling.failed(19.0, now)
    whiles = [after - before for before, after in zip([0.0, *tried], tried, strict=False)]
    assert whiles == [60.0, 120.0, 240.0, 480.0, 480.0, 480.0]


def test_what_was_over_soon_is_tried_again_soon() -> None:
    ceiling = Ceiling(60.0)
    ceiling.failed(10.0, 0.0)
    ceiling.recovered(1.5)
    assert ceiling.grown(9.0, 1.0, 16.4, CALM) == 9.0
    assert ceiling.grown(9.0, 1.0, 16.6, CALM) == 10.0
    ceiling.failed(10.0, 20.0)
    ceiling.recovered(50.0)
    assert ceiling.grown(9.0, 1.0, 139.0, CALM) == 9.0
    assert ceiling.grown(9.0, 1.0, 141.0, CALM) == 10.0


def test_a_trial_that_goes_well_is_followed_by_bolder_ones() -> None:
    ceiling = Ceiling(60.0)
    ceiling.failed(10.0, 0.0)
    limits, limit = [], 9.0
    for second in range(60, 100):
        limit = ceiling.grown(limit, 1.0, float(second), CALM)
        limits.append(limit)
    assert limits[::10] == [10.0, 11.0, 13.0, 17.0]
    ceiling.failed(17.0, 100.0)
    assert ceiling.value == 13.0


async def test_a_measurement_that_nobody_can_end_is_given_up(clock) -> None:
    """All places are held by callers that take minutes to read: nothing is told, and nobody could go in."""
    place = AdaptiveBulkhead(BulkheadSettings(2, adaptive=AdaptiveSettings(measure_every=10.0)), clock, "back")
    while clock.now < 1012.0 or not (place._adaptive and place._adaptive.measuring):
        await place.enter()
        while place.try_enter():
            pass
        clock.now += 0.1
        for _ in range(place.active):
            place.served(0.1, overloaded=False)
            place.leave()
    assert place.limit == 2
    place.active = 8
    clock.now += 5.0
    await place.enter()
    assert place.limit > 8


def test_a_limit_that_doubles_is_logged_and_a_measurement_is_not(clock, caplog: pytest.LogCaptureFixture) -> None:
    registry = Registry(clock)
    settings = BulkheadSettings(2, adaptive=AdaptiveSettings(most=16, measure_every=30.0))
    place = registry.bulkhead(("upstream", "back"), settings)
    seen = set()
    with caplog.at_level(logging.INFO, "broker.policy.adaptive_bulkhead"):
        for _ in range(600):
            while place.try_enter():
                pass
            clock.now += 0.1
            seen.add(place.limit)
            for _ in range(place.active):
                place.served(0.1, overloaded=False)  # type: ignore[attr-defined]
                place.leave()
    assert seen >= {2, 16}
    assert [record.limit for record in caplog.records] == [4, 8, 16]
    assert {record.upstream for record in caplog.records} == {"back"}
    assert registry.limit(("upstream", "back")) == 16


def test_the_registry_keeps_what_was_found_out(clock) -> None:
    registry = Registry(clock)
    settings = BulkheadSettings(2, adaptive=AdaptiveSettings())
    place = registry.bulkhead(("upstream", "back"), settings)
    assert isinstance(place, AdaptiveBulkhead)
    assert registry.bulkhead(("upstream", "back"), BulkheadSettings(2, adaptive=AdaptiveSettings())) is place
    assert registry.limit(("upstream", "other")) is None


def found_out(clock, settings: BulkheadSettings) -> AdaptiveBulkhead:
    """A bulkhead whose limit has grown."""
    place = AdaptiveBulkhead(settings, clock, "back")
    while place.limit < 8:
        while place.try_enter():
            pass
        clock.now += 0.1
        for _ in range(place.active):
            place.served(0.1, overloaded=False)
            place.leave()
    return place


def test_another_queue_does_not_change_what_was_found_out(clock) -> None:
    adaptive = AdaptiveSettings()
    place = found_out(clock, BulkheadSettings(2, adaptive=adaptive))
    before = place.limit
    place.reconfigure(BulkheadSettings(2, queue=9, adaptive=adaptive))
    assert place.limit == before
    place.reconfigure(BulkheadSettings(2, queue=9, adaptive=AdaptiveSettings(most=50)))
    assert place.limit == 2


def test_a_limit_that_is_not_found_out_any_more_stays_and_calls_count_on(clock) -> None:
    place = found_out(clock, BulkheadSettings(2, adaptive=AdaptiveSettings()))
    while place.try_enter():
        pass
    inside = place.active
    place.reconfigure(BulkheadSettings(5))
    assert (place.limit, place.active, place.adapts) == (5, inside, False)
    assert not place.try_enter()
    for _ in range(inside):
        place.served(9.0, overloaded=True)
        place.leave()
    assert (place.limit, place.active) == (5, 0)
    assert place.try_enter()
    place.reconfigure(BulkheadSettings(3, adaptive=AdaptiveSettings(least=3)))
    assert (place.limit, place.active, place.adapts) == (3, 1, True)
