"""An upstream's rate is never exceeded, and nobody is without a share of it, however much the others want."""

import asyncio
from math import inf
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker.core.errors import BrokerError
from broker.core.rates import Rate
from broker.policy.bulkhead import Bulkhead, BulkheadSettings
from broker.policy.fair_queue import WEIGHTS, Priority
from broker.policy.gate import Gate
from broker.policy.meter import Meter, Tokens, share_of
from broker.policy.pause import Pauses
from broker.policy.rate import TokenBucket
from broker.policy.shared_bucket import SharedBucket

HIGH, MEDIUM, LOW = Priority
RATES = st.builds(Rate, st.sampled_from([0.1, 1.0, 20.0, 1000.0]), st.sampled_from([1.0, 2.0, 20.0, 100.0]))


def tokens(rate: Rate, clock: Any) -> Tokens:
    return Tokens(TokenBucket(rate, clock), SharedBucket("some", rate))


def common(rate: Rate, clock: Any) -> Meter:
    """As an upstream has it."""
    shares = {priority: tokens(share_of(rate, priority), clock) for priority in (MEDIUM, LOW)}
    return Meter(tokens(rate, clock), "upstream", shares)


class Saturated:
    """Calls of some priorities that come all the time, each in turn, for as long as it takes for `tokens`."""

    def __init__(self, rate: Rate, clock: Any, wanted: set[Priority], tokens: int) -> None:
        self.meter = common(rate, clock)
        self.granted = dict.fromkeys(Priority, 0)
        begin = clock.now
        for step in range(10 * tokens):
            clock.now = begin + step / (10 * rate.per_second)
            for priority in sorted(wanted):
                while not self.meter.take(priority, []):
                    self.granted[priority] += 1


@pytest.mark.parametrize("burst", [1, 2, 20])
def test_everybody_has_a_share_while_all_want_all(clock: Any, burst: int) -> None:
    run = Saturated(Rate(20.0, burst), clock, set(Priority), 1300)
    assert sum(run.granted.values()) == pytest.approx(1300 + burst, abs=2)
    for priority in Priority:
        assert run.granted[priority] == pytest.approx(100 * WEIGHTS[priority], abs=burst + 6)


@pytest.mark.parametrize(("some", "least"), [({HIGH, LOW}, LOW), ({MEDIUM, LOW}, LOW), ({HIGH, MEDIUM}, MEDIUM)])
def test_what_nobody_else_wants_is_had_by_the_more_important(clock: Any, some: set[Priority], least: Priority) -> None:
    run = Saturated(Rate(20.0, 20.0), clock, some, 1300)
    assert sum(run.granted.values()) == pytest.approx(1320, abs=8)
    assert run.granted[least] == pytest.approx(100 * WEIGHTS[least], abs=20)


@pytest.mark.parametrize("alone", Priority)
def test_whoever_is_alone_has_the_whole_rate(clock: Any, alone: Priority) -> None:
    assert Saturated(Rate(20.0, 20.0), clock, {alone}, 1300).granted[alone] == pytest.approx(1320, abs=8)


@settings(deadline=None)
@given(RATES, st.lists(st.tuples(st.floats(0, 3), st.sampled_from(Priority)), max_size=80))
def test_no_window_holds_more_than_the_rate_and_a_debt_of_one(rate: Rate, steps: list[Any]) -> None:
    now, granted = 1e6, []
    meter = common(rate, lambda: now)
    for pause, priority in steps:
        now += pause / rate.per_second
        if not meter.take(priority, []):
            granted.append(now)
        assert meter.tokens.here.left() > -1.001
    for first in range(len(granted)):
        for last in range(first, len(granted)):
            passed = (granted[last] - granted[first]) * rate.per_second
            assert last - first + 1 <= rate.burst + 1 + passed + 1e-3


@settings(deadline=None)
@given(RATES, st.lists(st.tuples(st.floats(0, 3), st.sampled_from(Priority), st.booleans()), max_size=60))
def test_who_waits_as_told_is_granted_unless_somebody_else_came(rate: Rate, steps: list[Any]) -> None:
    now = 1e6
    meter = common(rate, lambda: now)
    for pause, priority, undone in steps:
        now += pause / rate.per_second
        taken: list[TokenBucket] = []
        wait = meter.take(priority, taken)
        if wait:
            assert not taken
            now += wait + 1e-6
            assert not meter.take(priority, taken)
        if undone:
            before = [each.left() for each in taken]
            for bucket in taken:
                bucket.give_back()
            assert [each.left() for each in taken] == pytest.approx([left + 1 for left in before], abs=1e-3)


def test_the_wait_is_the_time_until_the_share_where_that_is_sooner(clock: Any) -> None:
    meter = common(Rate(1.0, 100.0), clock)
    for _ in range(100):
        assert not meter.take(HIGH, [])
    assert [meter.take(LOW, []) for _ in range(2)] == [0.0, pytest.approx(1.0)]
    clock.now += 1.0
    assert not meter.take(LOW, [])
    # Of its own share there is one in 13 s, of what high leaves one in 27.
    assert meter.take(LOW, []) == pytest.approx(12.0)


def gate(clock: Any, meters: list[Meter], bulkheads: list[Bulkhead]) -> Gate:
    return Gate(meters, {}, bulkheads, MEDIUM, {}, Pauses(clock, clock), "u", "r")


def call() -> Any:
    return SimpleNamespace(caller="somebody", due=inf, held=[])


async def test_a_refusal_is_for_the_longest_wait_and_takes_nothing(clock: Any) -> None:
    route, upstream = Meter(tokens(Rate(1.0, 1.0), clock), "route"), common(Rate(2 / 60, 1.0), clock)
    limited = gate(clock, [route, upstream], [])
    # The second is on the share.
    await limited.enter(call())
    clock.now += 1.0
    await limited.enter(call())
    for words, told in (("upstream", "29"), ("upstream", "28")):
        with pytest.raises(BrokerError, match=words) as caught:
            await limited.enter(call())
        assert dict(caught.value.headers)["Retry-After"] == told
        clock.now += 1.0
    assert route.tokens.here.left() == 1.0


async def test_the_wait_in_the_queue_is_that_of_both_together(clock: Any) -> None:
    both = [Bulkhead(BulkheadSettings(1, queue=5, wait=20.0), clock) for _ in range(2)]
    for bulkhead in both:
        await bulkhead.enter()
    waiting = asyncio.create_task(gate(clock, [], both).enter(call()))
    await asyncio.sleep(0)
    clock.now += 20.0
    both[0].leave()
    with pytest.raises(BrokerError, match="too long"):
        await asyncio.wait_for(waiting, 10)


def test_who_waits_for_its_share_is_told_when_the_bucket_itself_has_one_sooner(clock: Any) -> None:
    meter, taken = common(Rate(1.0, 4.0), clock), []
    assert [meter.take(LOW, taken) for _ in range(5)] == [0.0] * 5
    assert meter.take(LOW, taken) == pytest.approx(3.0)


def test_the_priority_of_a_caller_counts_before_that_of_the_route(clock: Any) -> None:
    gate = Gate([], {}, [], MEDIUM, {"fno": HIGH, "batch": LOW}, Pauses(clock, clock), "u", "r")
    assert [gate.priority_of(caller) for caller in ("fno", "batch", "")] == [HIGH, LOW, MEDIUM]
