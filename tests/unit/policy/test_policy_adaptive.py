"""An adaptive limit finds the knee of a service that nobody knows, and keeps out of its collapse."""

import heapq
from dataclasses import dataclass, field
from random import Random

import pytest

from broker.policy.adaptive import AdaptiveLimit
from broker.policy.adaptive_settings import AdaptiveSettings


@dataclass
class Service:
    """M/M/c under as many callers as the limit allows; above `collapse` calls each takes longer for all."""

    servers: int
    seconds: float = 0.1
    collapse: int = 20
    random: Random = field(default_factory=lambda: Random(7))
    limit: int = 1
    now: float = 0.0
    active: int = 0
    served: int = 0
    most_active: int = 0

    def __post_init__(self) -> None:
        self.ends: list[tuple[float, float, bool]] = []
        self.free = [0.0] * self.servers

    def set_limit(self, limit: int) -> None:
        self.limit = limit

    def run(self, adaptive: AdaptiveLimit, until: float, offered: int = 1000) -> list[int]:
        limits, self.most_active = [], 0
        while self.now < until:
            while self.active < min(self.limit, offered):
                self.begin()
            self.now, began, late = heapq.heappop(self.ends)
            adaptive.observe(self.now - began, self.active, overloaded=late)
            self.active -= 1
            self.served += 1
            limits.append(self.limit)
        return limits

    def begin(self) -> None:
        self.active += 1
        self.most_active = max(self.most_active, self.active)
        slower = 1.0 + max(0, self.active - self.collapse)
        start = max(self.now, heapq.heappop(self.free))
        end = start + self.random.expovariate(1 / (self.seconds * slower))
        heapq.heappush(self.free, end)
        heapq.heappush(self.ends, (end, self.now, end - self.now > 5.0))


def controlled(service: Service, **more) -> AdaptiveLimit:
    return AdaptiveLimit(AdaptiveSettings(**{"calls": 30, **more}), service.set_limit, lambda: service.now)


@pytest.mark.parametrize("servers", [4, 8, 14])
def test_it_finds_the_knee(servers: int) -> None:
    service = Service(servers)
    adaptive = controlled(service)
    service.run(adaptive, 60)
    before = service.served
    limits = sorted(service.run(adaptive, 360))
    # A measurement of the quiet service now and then belongs to the price.
    assert servers * 0.75 <= limits[len(limits) // 2] <= min(20, servers * 1.6)
    assert (service.served - before) / 300 >= 0.8 * servers / service.seconds
    assert adaptive.quiet == pytest.approx(service.seconds, rel=0.5)


def test_it_stays_out_of_the_collapse_where_servers_are_many() -> None:
    service = Service(servers=60)
    adaptive = controlled(service)
    limits = service.run(adaptive, 300)
    assert 15 <= sorted(limits)[len(limits) // 2] <= 24


def test_it_recovers_when_the_service_has_grown_slow_and_fast_again() -> None:
    service = Service(servers=10)
    adaptive = controlled(service, measure_every=20.0)
    service.run(adaptive, 60)
    service.seconds = 0.4
    slow = service.run(adaptive, 260)
    assert 7 <= sorted(slow[-1000:])[500] <= 18
    service.seconds = 0.1
    fast = service.run(adaptive, 400)
    assert 7 <= sorted(fast[-2000:])[1000] <= 18


def test_it_does_not_grow_when_nobody_wants_more() -> None:
    service = Service(servers=50, collapse=100)
    adaptive = controlled(service)
    limits = service.run(adaptive, 60, offered=4)
    assert max(limits) <= 10


def test_overload_shrinks_it_to_the_least_and_no_further() -> None:
    now, told = [0.0], []
    adaptive = AdaptiveLimit(
        AdaptiveSettings(least=2, most=50, calls=10, measure_every=1e9), told.append, lambda: now[0]
    )

    def observe(times: int, **more) -> None:
        for _ in range(times):
            now[0] += 0.1
            adaptive.observe(0.05, adaptive.limit, **more)

    observe(1000)
    assert adaptive.limit == 50
    observe(12, overloaded=True)
    assert adaptive.limit == 35
    observe(400, overloaded=True)
    assert adaptive.limit == 2
    assert (told[0], min(told), max(told)) == (2, 2, 50)
    observe(1000)
    assert adaptive.limit == 45


@pytest.mark.parametrize("least", range(1, 8))
def test_whatever_the_least_is_no_overload_tells_less(least: int) -> None:
    now, told = [0.0], []
    adaptive = AdaptiveLimit(AdaptiveSettings(least=least, most=50, calls=10), told.append, lambda: now[0])
    for overloaded in (False, True):
        for _ in range(1000):
            now[0] += 0.1
            adaptive.observe(0.05, adaptive.limit, overloaded=overloaded)
    assert (min(told), max(told)) == (least, 50)


class Told:
    """A limit of 50 that was found for calls of 50 ms, which is measured anew after 20 s."""

    def __init__(self) -> None:
        self.now = 0.0
        settings = AdaptiveSettings(least=2, most=50, calls=10, measure_every=20.0)
        self.adaptive = AdaptiveLimit(settings, lambda limit: None, lambda: self.now)
        for _ in range(1000):
            self.observe()
        self.measuring(False)
        assert self.adaptive.limit == 50

    def observe(self, seconds: float = 0.05, **more: bool) -> None:
        self.now += 0.1
        self.adaptive.observe(seconds, self.adaptive.limit, **more)

    def measuring(self, under_way: bool) -> None:
        for _ in range(1000):
            if self.adaptive.measuring is under_way:
                return
            self.observe()
        raise AssertionError("it stays as it is")


def test_the_first_calls_that_take_much_too_long_shrink_it_gently() -> None:
    told = Told()
    limits = []
    for _ in range(100):
        told.observe(2.0)
        limits.append(told.adaptive.limit)
    assert next(limit for limit in limits if limit != 50) == 40


def test_overload_while_the_quiet_service_is_measured_counts_afterwards() -> None:
    told = Told()
    told.measuring(True)
    for _ in range(10):
        told.observe(overloaded=True)
    told.measuring(False)
    assert told.adaptive.limit == 35


def test_a_measurement_that_takes_too_long_ends_with_the_next_call_that_is_over() -> None:
    told = Told()
    told.measuring(True)
    told.now += 60.0
    told.observe(50.0)
    assert (told.adaptive.measuring, told.adaptive.limit) == (False, 50)


def test_the_quiet_service_is_measured_when_it_has_become_quiet() -> None:
    now = [0.0]
    adaptive = AdaptiveLimit(AdaptiveSettings(least=2, calls=10), lambda limit: None, lambda: now[0])
    for active in (*range(30, 2, -1), *[2] * 22):
        now[0] += 1.0
        adaptive.observe(9.0 if active > 2 else 0.5, active)
    assert adaptive.quiet == 0.5


def test_calls_of_before_a_measurement_are_not_taken_for_those_of_the_quiet_service() -> None:
    now = [0.0]
    adaptive = AdaptiveLimit(AdaptiveSettings(least=2, calls=10), lambda limit: None, lambda: now[0])
    for _ in range(40):
        now[0] += 1.0
        adaptive.observe(0.9, 3)
    assert (adaptive.quiet, adaptive.measuring) == (0.0, True)


def test_calls_that_were_begun_before_a_measurement_and_come_to_nothing_shrink_it() -> None:
    told = Told()
    told.measuring(True)
    told.measuring(False)
    assert told.adaptive.limit == 50
    for _ in range(12):
        told.observe(30.0, overloaded=True)
    assert told.adaptive.limit == 35


def test_a_service_that_is_overloaded_is_not_taken_for_quiet() -> None:
    now = [0.0]
    adaptive = AdaptiveLimit(AdaptiveSettings(least=2, calls=10), lambda limit: None, lambda: now[0])
    for number in range(100):
        now[0] += 1.0
        adaptive.observe(0.001, 2, overloaded=number % 2 == 0)
    assert (adaptive.quiet, adaptive.limit) == (0.0, 2)


@pytest.mark.parametrize(
    "wrong", [{"least": 0}, {"least": 5, "most": 4}, {"window": 0}, {"back_off": 1}, {"calls": 0}, {"tolerance": 0}]
)
def test_settings_that_make_no_sense_are_refused(wrong: dict) -> None:
    with pytest.raises(ValueError):
        AdaptiveSettings(**wrong)
