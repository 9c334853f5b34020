"""A bulkhead is never above its limit, and loses no wakeup."""

import asyncio
from math import inf

import pytest

from broker.core.errors import BrokerError
from broker.policy.bulkhead import BUSY, CROWDED, EVICTED, FULL, TOO_LONG, Bulkhead, BulkheadSettings
from broker.policy.fair_queue import Priority

HIGH, MEDIUM, LOW = Priority


async def settle() -> None:
    for _ in range(4):
        await asyncio.sleep(0)


def wait_in_line(bulkhead: Bulkhead, priority: Priority, deadline: float = inf) -> "asyncio.Task[None]":
    return asyncio.create_task(bulkhead.enter(priority, deadline))


def reason(task: "asyncio.Task[None]") -> str:
    error = task.exception()
    assert isinstance(error, BrokerError)
    assert error.code == "overloaded"
    assert int(dict(error.headers)["Retry-After"]) >= 1
    return error.detail


async def test_there_is_room_up_to_the_limit_and_no_queue_unless_asked_for(clock) -> None:
    bulkhead = Bulkhead(BulkheadSettings(2), clock)
    assert bulkhead.try_enter()
    await bulkhead.enter()
    assert not bulkhead.try_enter()
    with pytest.raises(BrokerError) as caught:
        await bulkhead.enter(HIGH)
    assert caught.value.detail == BUSY
    bulkhead.leave()
    assert bulkhead.try_enter()
    assert bulkhead.refused[BUSY] == 1


async def test_a_place_goes_to_who_waits_and_not_to_a_newcomer(clock) -> None:
    bulkhead = Bulkhead(BulkheadSettings(1, queue=5), clock)
    await bulkhead.enter()
    waiter = wait_in_line(bulkhead, LOW)
    await settle()
    bulkhead.leave()
    assert not bulkhead.try_enter()
    await waiter
    assert (bulkhead.active, bulkhead.waiting) == (1, 0)


async def test_a_cancelled_waiter_leaves_at_once(clock) -> None:
    bulkhead = Bulkhead(BulkheadSettings(1, queue=1), clock)
    await bulkhead.enter()
    waiter = wait_in_line(bulkhead, MEDIUM)
    await settle()
    waiter.cancel()
    assert bulkhead.waiting == 0
    await settle()
    assert waiter.cancelled()
    bulkhead.leave()
    assert bulkhead.active == 0


async def test_a_waiter_that_is_cancelled_as_its_turn_comes_passes_it_on(clock) -> None:
    bulkhead = Bulkhead(BulkheadSettings(1, queue=5), clock)
    await bulkhead.enter()
    first, second = wait_in_line(bulkhead, MEDIUM), wait_in_line(bulkhead, MEDIUM)
    await settle()
    bulkhead.leave()
    first.cancel()
    await settle()
    assert first.cancelled()
    assert second.done()
    assert bulkhead.active == 1


async def test_nobody_waits_longer_than_told(clock) -> None:
    bulkhead = Bulkhead(BulkheadSettings(1, queue=5, wait=0.02), clock)
    await bulkhead.enter()
    slow, sooner, late = (
        wait_in_line(bulkhead, MEDIUM),
        wait_in_line(bulkhead, HIGH, clock.now + 0.001),
        wait_in_line(bulkhead, HIGH, clock.now),
    )
    await asyncio.wait({slow, sooner, late})
    assert [reason(task) for task in (slow, sooner, late)] == [TOO_LONG] * 3
    assert bulkhead.waiting == 0
    bulkhead.leave()
    assert bulkhead.active == 0


async def test_a_call_waits_no_longer_than_until_its_own_deadline(clock) -> None:
    bulkhead = Bulkhead(BulkheadSettings(1, queue=1), clock)
    await bulkhead.enter()
    async with asyncio.timeout(10):
        with pytest.raises(BrokerError) as caught:
            await bulkhead.enter(MEDIUM, clock.now + 0.01)
    assert caught.value.detail == TOO_LONG
    low = wait_in_line(bulkhead, LOW)
    await settle()
    # One that is too late already takes nobody's place.
    with pytest.raises(BrokerError) as caught:
        await bulkhead.enter(HIGH, clock.now)
    assert caught.value.detail == TOO_LONG
    bulkhead.leave()
    await low


async def test_a_limit_that_is_lowered_to_what_is_under_way_makes_it_full_from_then_on(clock) -> None:
    bulkhead = Bulkhead(BulkheadSettings(2), clock)
    await bulkhead.enter()
    clock.now += 1000
    bulkhead.set_limit(1)
    assert bulkhead.retry_in() == 1.0


async def test_a_full_queue_makes_room_for_a_higher_priority_by_its_newest_lowest(clock) -> None:
    bulkhead = Bulkhead(BulkheadSettings(1, queue=3, low_share=1.0), clock)
    await bulkhead.enter()
    older, newer, medium = (wait_in_line(bulkhead, priority) for priority in (LOW, LOW, MEDIUM))
    await settle()
    high = wait_in_line(bulkhead, HIGH)
    await settle()
    assert reason(newer) == EVICTED
    assert not older.done()
    # From here on everybody has a place, and keeps it.
    more = [wait_in_line(bulkhead, priority) for priority in Priority]
    await settle()
    assert [reason(task) for task in more] == [FULL] * 3
    assert bulkhead.waiting == 3
    for task in (high, medium, older):
        bulkhead.leave()
        await task


@pytest.mark.parametrize("size", range(1, 20))
async def test_in_no_queue_does_a_priority_starve(clock, size: int) -> None:
    bulkhead = Bulkhead(BulkheadSettings(1, queue=size), clock)
    await bulkhead.enter()
    served = dict.fromkeys(Priority, 0)

    async def call(priority: Priority) -> None:
        await bulkhead.enter(priority)
        served[priority] += 1

    tasks = []
    for _ in range(130):
        # As one place becomes free, there is a call of each for it, and more of high than the queue takes.
        for priority in (LOW, MEDIUM, *[HIGH] * (size + 1)):
            tasks.append(asyncio.create_task(call(priority)))
        await settle()
        bulkhead.leave()
        await settle()
    assert served[LOW] >= 5
    assert served[MEDIUM] >= 20
    assert served[HIGH] >= 70
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_waiter_that_is_cancelled_as_it_is_evicted_has_no_place_to_pass_on(clock) -> None:
    bulkhead = Bulkhead(BulkheadSettings(1, queue=1), clock)
    await bulkhead.enter()
    low = wait_in_line(bulkhead, LOW)
    await settle()
    high = wait_in_line(bulkhead, HIGH)
    await asyncio.sleep(0)
    low.cancel()
    await settle()
    assert low.cancelled()
    assert (bulkhead.active, bulkhead.waiting) == (1, 1)
    bulkhead.leave()
    await high


async def test_low_priority_is_refused_first_as_the_queue_fills(clock) -> None:
    bulkhead = Bulkhead(BulkheadSettings(1, queue=10), clock)
    await bulkhead.enter()
    tasks = [wait_in_line(bulkhead, LOW) for _ in range(9)]
    await settle()
    assert bulkhead.waiting == 8
    assert reason(tasks[8]) == CROWDED
    more = [wait_in_line(bulkhead, MEDIUM) for _ in range(2)]
    await settle()
    assert bulkhead.waiting == 10
    for task in (*tasks, *more):
        task.cancel()
    await settle()


async def test_the_advice_follows_the_rate_of_service_and_a_service_that_hangs(clock) -> None:
    bulkhead = Bulkhead(BulkheadSettings(2, queue=100), clock)
    await bulkhead.enter()
    assert bulkhead.retry_in() == 0
    await bulkhead.enter()
    tasks = [wait_in_line(bulkhead, MEDIUM) for _ in range(28)]
    await settle()
    for _ in range(20):
        clock.now += 0.5
        bulkhead.leave()
    await settle()
    assert bulkhead.waiting == 8
    assert bulkhead.retry_in() == pytest.approx(9 * 0.5, rel=0.1)
    clock.now += 10
    # Two places: what hangs in one of them may hang in the other.
    assert bulkhead.retry_in() == pytest.approx(9 * 10 / 2)
    for task in tasks:
        task.cancel()
    await settle()


async def test_the_advice_before_anything_was_completed_is_for_all_places_together(clock) -> None:
    bulkhead = Bulkhead(BulkheadSettings(20, queue=100), clock)
    while bulkhead.try_enter():
        pass
    tasks = [wait_in_line(bulkhead, MEDIUM) for _ in range(100)]
    await settle()
    assert bulkhead.retry_in() == pytest.approx(101 / 20)
    for task in tasks:
        task.cancel()
    await settle()


async def test_time_in_the_queue_before_counts(clock) -> None:
    bulkhead = Bulkhead(BulkheadSettings(1, queue=5, wait=5.0), clock)
    assert await bulkhead.enter(waited=3.0) == 3.0
    second = asyncio.create_task(bulkhead.enter(waited=3.0))
    late = asyncio.create_task(bulkhead.enter(waited=4.99))
    await asyncio.wait({late})
    assert reason(late) == TOO_LONG
    clock.now += 1.5
    bulkhead.leave()
    assert await second == pytest.approx(4.5)
    with pytest.raises(BrokerError, match="too long"):
        await bulkhead.enter(waited=5.0)


async def test_other_settings_count_from_now_on_and_nobody_is_forgotten(clock) -> None:
    bulkhead = Bulkhead(BulkheadSettings(2, queue=4), clock)
    for _ in range(2):
        await bulkhead.enter()
    tasks = [wait_in_line(bulkhead, LOW) for _ in range(3)]
    await settle()
    bulkhead.reconfigure(BulkheadSettings(1, queue=2, wait=0.01))
    # Those who wait stay; nobody joins them before the queue is as short as it has to be.
    with pytest.raises(BrokerError, match="full"):
        await bulkhead.enter(HIGH)
    assert (bulkhead.active, bulkhead.waiting) == (2, 3)
    bulkhead.leave()
    await settle()
    assert (bulkhead.active, bulkhead.waiting) == (1, 3)
    bulkhead.reconfigure(BulkheadSettings(3, queue=2, wait=0.01))
    await settle()
    assert (bulkhead.active, bulkhead.waiting) == (3, 1)
    newcomer = wait_in_line(bulkhead, LOW)
    await asyncio.wait({newcomer})
    assert reason(newcomer) == TOO_LONG
    assert not tasks[2].done()
    bulkhead.reconfigure(BulkheadSettings(3))
    with pytest.raises(BrokerError, match="under way"):
        await bulkhead.enter(HIGH)
    bulkhead.leave()
    await asyncio.gather(*tasks)


async def test_a_higher_limit_lets_in_and_a_lower_one_lets_drain(clock) -> None:
    bulkhead = Bulkhead(BulkheadSettings(1, queue=10), clock)
    await bulkhead.enter()
    tasks = [wait_in_line(bulkhead, MEDIUM) for _ in range(4)]
    await settle()
    bulkhead.set_limit(3)
    await settle()
    assert (bulkhead.active, bulkhead.waiting) == (3, 2)
    bulkhead.set_limit(1)
    bulkhead.leave()
    bulkhead.leave()
    await settle()
    assert (bulkhead.active, bulkhead.waiting) == (1, 2)
    bulkhead.leave()
    bulkhead.leave()
    await asyncio.gather(*tasks)
    assert bulkhead.active == 1
    with pytest.raises(ValueError):
        bulkhead.set_limit(0)


@pytest.mark.parametrize("wrong", [{"limit": 0}, {"queue": -1}, {"wait": 0}, {"low_share": 0}])
def test_settings_that_make_no_sense_are_refused(wrong: dict) -> None:
    with pytest.raises(ValueError):
        BulkheadSettings(**{"limit": 1, **wrong})
