"""A fair queue serves by weight, and who was away has saved up nothing."""

from collections import Counter
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker.policy.fair_queue import FairQueue, Priority

HIGH, MEDIUM, LOW = Priority


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
    assert queue.evict(LOW, (0, 0, 0), own=False) is None
    assert queue.evict(HIGH, (0, 0, 0), own=False) == 4
    assert [queue.pop() for _ in range(4)] == [0, 1, 3, None]
    assert queue.waiting(LOW) == 0


def test_nobody_is_evicted_from_a_part_of_ones_own() -> None:
    queue: FairQueue[int] = FairQueue()
    for number in range(3):
        queue.push(number, LOW)
    queue.push(7, MEDIUM)
    assert queue.evict(HIGH, (8, 4, 3), own=False) is None
    assert queue.evict(HIGH, (8, 4, 2), own=False) == 2
    # Who has less than its part takes it back from the more important, but never from high.
    queue.push(9, HIGH)
    assert queue.evict(LOW, (0, 0, 3), own=True) == 7
    assert queue.evict(LOW, (0, 0, 3), own=True) is None


def test_whose_turn_is_next_is_not_evicted_where_the_queue_has_no_part_for_all() -> None:
    queue: FairQueue[str] = FairQueue()
    served = Counter[str]()
    for _ in range(90):
        queue.push("low", LOW)
        if queue.evict(HIGH, (0, 0, 0), own=False) is not None:
            queue.push("high", HIGH)
        served[queue.pop() or ""] += 1
    assert served == {"high": 80, "low": 10}


def test_a_weight_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError):
        FairQueue((1, 0, 1))
