"""A bulkhead is never above its limit, loses no wakeup, and is fair by weight."""

import asyncio
from collections import Counter
from math import inf
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker.core.errors import BrokerError
from broker.policy.bulkhead import CROWDED, EVICTED, FULL, TOO_LONG, Bulkhead, BulkheadSettings
from broker.policy.fair_queue import FairQueue, Priority

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
    assert caught.value.detail == FULL
    bulkhead.leave()
    assert bulkhead.try_enter()
    assert bulkhead.refused[FULL] == 1


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


async def test_a_full_queue_makes_room_for_a_higher_priority_by_its_newest_lowest(clock) -> None:
    bulkhead = Bulkhead(BulkheadSettings(1, queue=3, low_share=1.0), clock)
    await bulkhead.enter()
    older, newer, medium = (wait_in_line(bulkhead, priority) for priority in (LOW, LOW, MEDIUM))
    await settle()
    high = wait_in_line(bulkhead, HIGH)
    await settle()
    assert reason(newer) == EVICTED
    assert not older.done()
    second, third = wait_in_line(bulkhead, MEDIUM), wait_in_line(bulkhead, MEDIUM)
    await settle()
    assert reason(older) == EVICTED
    assert reason(third) == FULL
    assert bulkhead.waiting == 3
    for task in (high, medium, second):
        bulkhead.leave()
        await task


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
    assert bulkhead.retry_in() == pytest.approx(9 * 0.5)
    clock.now += 10
    assert bulkhead.retry_in() == pytest.approx(9 * 10)
    for task in tasks:
        task.cancel()
    await settle()


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


STEP = st.tuples(
    st.sampled_from(["enter", "enter", "try", "leave", "leave", "cancel", "limit", "run"]),
    st.sampled_from(Priority),
    st.integers(0, 30),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(STEP, max_size=60))
def test_never_above_the_limit_and_no_wakeup_is_lost(steps) -> None:
    async def play() -> None:
        bulkhead = Bulkhead(BulkheadSettings(3, queue=6), lambda: 0.0)
        inside, above = [0], [0]
        tasks: list[asyncio.Task[None]] = []

        async def call(priority: Priority) -> None:
            await bulkhead.enter(priority)
            inside[0] += 1

        for action, priority, number in steps:
            if action == "enter":
                tasks.append(asyncio.create_task(call(priority)))
            elif action == "try":
                inside[0] += bulkhead.try_enter()
            elif action == "leave" and inside[0]:
                inside[0] -= 1
                bulkhead.leave()
            elif action == "cancel" and tasks:
                tasks[number % len(tasks)].cancel()
            elif action == "limit":
                bulkhead.set_limit(1 + number % 4)
                above[0] = max(0, bulkhead.active - bulkhead.limit)
            else:
                await settle()
                assert inside[0] == bulkhead.active
            # Only a limit that was lowered may leave more inside, and then none are added.
            above[0] = min(above[0], max(0, bulkhead.active - bulkhead.limit))
            assert bulkhead.active <= bulkhead.limit + above[0]
            assert bulkhead.waiting <= 6
            assert not (bulkhead.waiting and bulkhead.active < bulkhead.limit)
        await settle()
        while inside[0]:
            inside[0] -= 1
            bulkhead.leave()
            await settle()
        assert (bulkhead.active, bulkhead.waiting) == (0, 0)
        assert all(task.done() for task in tasks)
        for task in tasks:
            assert task.cancelled() or task.exception() is None or isinstance(task.exception(), BrokerError)

    asyncio.run(play())


def test_all_priorities_have_their_share_when_all_wait() -> None:
    queue: FairQueue[tuple[Priority, int]] = FairQueue()
    for number in range(1000):
        for priority in Priority:
            queue.push((priority, number), priority)
    served = Counter(queue.pop()[0] for _ in range(1300))
    assert served == {HIGH: 800, MEDIUM: 400, LOW: 100}


def test_who_was_away_has_saved_up_nothing() -> None:
    queue: FairQueue[tuple[Priority, int]] = FairQueue()
    for number in range(500):
        queue.push((HIGH, number), HIGH)
    for _ in range(400):
        queue.pop()
    for number in range(100):
        queue.push((LOW, number), LOW)
    assert Counter(queue.pop()[0] for _ in range(90))[LOW] <= 11


@settings(deadline=None)
@given(st.tuples(*[st.integers(1, 9)] * 3), st.integers(0, 2**32), st.integers(1, 400))
def test_weights_hold_in_every_stretch_in_which_all_wait(weights, seed: int, turns: int) -> None:
    queue: FairQueue[tuple[Priority, int]] = FairQueue(weights)
    random, number = Random(seed), 0
    for _ in range(random.randrange(50)):
        priority = random.choice(list(Priority))
        queue.push((priority, number := number + 1), priority)
        if random.random() < 0.5:
            queue.pop()
    for priority in Priority:
        for _ in range(turns):
            queue.push((priority, number := number + 1), priority)
    served = Counter(queue.pop()[0] for _ in range(turns))
    for priority in Priority:
        # As in any stride scheduler, nobody is off its share by more than the number of competitors.
        assert abs(served[priority] - turns * weights[priority] / sum(weights)) <= 3


def test_first_come_first_served_among_equals() -> None:
    queue: FairQueue[int] = FairQueue()
    for number in range(5):
        queue.push(number, LOW)
    assert queue.remove(2, LOW)
    assert not queue.remove(2, LOW)
    assert queue.newest_below(LOW) is None
    assert queue.newest_below(HIGH) == 4
    assert [queue.pop() for _ in range(4)] == [0, 1, 3, None]
    assert queue.waiting(LOW) == 0


@pytest.mark.parametrize("wrong", [{"limit": 0}, {"queue": -1}, {"wait": 0}, {"low_share": 0}])
def test_settings_that_make_no_sense_are_refused(wrong: dict) -> None:
    with pytest.raises(ValueError):
        BulkheadSettings(**{"limit": 1, **wrong})
    with pytest.raises(ValueError):
        FairQueue((1, 0, 1))
