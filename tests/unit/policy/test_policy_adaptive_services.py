"""An adaptive limit before services of several kinds, each offered three times what it can do."""

from statistics import median

import pytest
from legacy_services import Collapsing, Play, Queueing, Sharing, even, mixed, uneven


def test_a_service_that_collapses_is_kept_at_its_knee() -> None:
    play = Play(Collapsing(20), even(0.1)).run(5, rate=50).run(300, rate=600)
    assert next(at for at, limit in enumerate(play.limits) if limit >= 15) <= 30
    assert play.goodput(5, 65) >= 0.7 * 200
    assert play.goodput(65, 300) >= 0.92 * 200
    # It does not drift: what was too much is tried again, but with one call more, and more and more seldom.
    assert max(play.limits[65:]) <= 21
    assert sum(limit > 20 for limit in play.limits[65:]) <= 4


@pytest.mark.parametrize("seed", [1, 2])
def test_what_an_overload_has_cost_is_not_taken_for_another(seed: int) -> None:
    play = Play(Collapsing(20), uneven(0.1), seed).run(300, rate=600)
    assert 15 <= median(play.limits[60:]) <= 22
    assert play.goodput(60, 300) >= 0.7 * 200


@pytest.mark.parametrize("work", [even(0.1), uneven(0.1)])
@pytest.mark.parametrize("workers", [4, 10])
def test_a_service_with_a_queue_of_its_own_is_kept_busy_and_no_more(work: object, workers: int) -> None:
    play = Play(Queueing(workers), work).run(240, rate=30 * workers)  # type: ignore[arg-type]
    assert 0.75 * workers <= median(play.limits[60:]) <= 2 * workers
    assert play.goodput(60, 240) >= 0.9 * 10 * workers


def test_where_every_call_slows_all_others_they_take_little_longer_than_they_may() -> None:
    play = Play(Sharing(0.1), even(0.05)).run(240, rate=600)
    assert 5 <= median(play.limits[60:]) <= 7
    assert play.adaptive.quiet == pytest.approx(0.06, rel=0.05)


@pytest.mark.parametrize("seed", [1, 2])
def test_calls_of_which_some_take_much_longer_do_not_mislead_it(seed: int) -> None:
    play = Play(Queueing(10), mixed(0.02, 0.5, share=0.1), seed).run(300, rate=450)
    assert 8 <= median(play.limits[60:]) <= 20
    assert play.goodput(60, 300) >= 0.85 * 147


def test_a_service_that_becomes_slower_for_good_is_measured_anew() -> None:
    play = Play(Queueing(10), even(0.1)).run(100, rate=300)
    play.work = even(0.4)
    play.run(200, rate=75)
    assert play.adaptive.quiet == pytest.approx(0.4, rel=0.1)
    assert play.goodput(150, 200) >= 0.85 * 25
    play.work = even(0.1)
    play.run(400, rate=300)
    assert play.adaptive.quiet == pytest.approx(0.1, rel=0.1)
    assert median(play.limits[330:]) <= 20


def test_a_hiccup_is_soon_forgotten() -> None:
    play = Play(Collapsing(20), even(0.1)).run(8, rate=600)
    play.work = even(0.25)
    play.run(9.5, rate=600)
    play.work = even(0.1)
    play.run(80, rate=600)
    assert play.limits[12] <= 10
    assert median(play.limits[60:]) >= 15


def test_a_measurement_costs_little() -> None:
    play = Play(Queueing(10), even(0.1)).run(60, rate=300)
    before = play.goodput(30, 60)
    play.run(300, rate=300)
    assert play.goodput(60, 300) >= 0.95 * before


def test_it_does_not_grow_far_beyond_what_is_asked_of_it() -> None:
    play = Play(Collapsing(60), even(0.1)).run(300, rate=60)
    assert play.goodput(30, 300) >= 0.98 * 60
    assert max(play.limits) <= 24


@pytest.mark.parametrize("share", [0.03, 0.05, 0.09])
def test_a_service_that_refuses_a_few_calls_whatever_the_load_keeps_what_it_can_do(share: float) -> None:
    play = Play(Queueing(20), even(0.1))
    play.refuses = share
    play.run(240, rate=400)
    assert median(play.limits[60:]) >= 18
    assert play.goodput(60, 240) >= 0.85 * 200


@pytest.mark.parametrize(("share", "most"), [(0.15, 14), (0.3, 3)])
def test_a_service_that_refuses_more_than_one_in_ten_is_spared(share: float, most: int) -> None:
    play = Play(Queueing(20), even(0.1)).run(60, rate=400)
    assert median(play.limits[30:]) >= 18
    play.refuses = share
    play.run(240, rate=400)
    assert median(play.limits[120:]) <= most
