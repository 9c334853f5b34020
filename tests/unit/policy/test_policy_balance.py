"""Targets are chosen fairly, never one that is down, and a key keeps its target."""

from collections import Counter
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker.policy.balance import PICKERS, Balancer
from broker.policy.balance_pick import Fit, LeastRequests, Member, PowerOfTwo, Rendezvous, RoundRobin


class Sick:
    """A health whose share is set by hand."""

    def __init__(self, share: float = 0.0) -> None:
        self.value = share

    def share(self) -> float:
        return self.value


def members(*weights: int) -> list[Member]:
    return [Member(f"target-{at}", weight, health=Sick(1.0)) for at, weight in enumerate(weights)]


def test_round_robin_is_smooth_and_keeps_to_weights() -> None:
    balancer = Balancer(members(5, 1, 1))
    names = [balancer.pick().name[-1] for _ in range(14)]
    assert "".join(names) == "00102000010200"


@given(st.lists(st.integers(1, 9), min_size=2, max_size=6), st.integers(1, 5))
def test_every_round_of_round_robin_is_exact(weights, rounds) -> None:
    balancer = Balancer(members(*weights))
    for _ in range(rounds):
        count = Counter(balancer.pick().name for _ in range(sum(weights)))
        assert [count[f"target-{at}"] for at in range(len(weights))] == weights


@settings(deadline=None)
@given(st.integers(0, 2**32), st.sampled_from(sorted(PICKERS)), st.integers(1, 6))
def test_none_that_is_down_or_tried_is_ever_chosen(seed, name, size) -> None:
    random = Random(seed)
    some = [Member(f"t{at}", 1 + at % 3, at % 2, Sick(random.choice([0.0, 0.3, 1.0]))) for at in range(size)]
    balancer = Balancer(some, PICKERS[name])
    for number in range(30):
        without = [member for member in some if random.random() < 0.2]
        chosen = balancer.pick(str(number % 7).encode() if number % 7 else b"", without)
        fit = [member for member in some if member.effective() > 0 and member not in without]
        if not fit:
            assert chosen is None
        else:
            assert chosen in fit
            assert chosen.priority == min(member.priority for member in fit)
        some[random.randrange(size)].health.value = random.choice([0.0, 0.5, 1.0])


def test_the_fallback_is_asked_only_when_no_primary_can_be() -> None:
    primary, fallback = Member("p", health=Sick(1.0)), Member("f", priority=1)
    balancer = Balancer([fallback, primary])
    assert balancer.pick() is primary
    assert balancer.pick(without=[primary]) is fallback
    primary.health.value = 0.0
    assert balancer.pick() is fallback
    primary.health.value = 0.1
    assert balancer.pick() is primary


def test_a_single_target_is_asked_unless_it_is_down_or_was_tried() -> None:
    (only,) = members(1)
    balancer = Balancer([only])
    assert balancer.pick() is only
    assert balancer.pick(without={only}) is None
    only.health.value = 0.0
    assert balancer.pick() is None


@pytest.mark.parametrize(("picker", "uneven"), [(LeastRequests, 1), (lambda: PowerOfTwo(Random(3)), 4)])
def test_the_least_busy_are_asked(picker, uneven) -> None:
    some = members(1, 1, 1, 1)
    balancer = Balancer(some, picker)
    under_way: list[Member] = []
    for _ in range(2000):
        chosen = balancer.pick()
        chosen.active += 1
        under_way.append(chosen)
        if len(under_way) > 40:
            under_way.pop(0).active -= 1
    busy = [member.active for member in some]
    assert max(busy) - min(busy) <= uneven


def test_of_one_target_that_one_is_taken() -> None:
    (only,) = members(1)
    for make in PICKERS.values():
        assert make().pick([Fit(only, 1.0)], b"key") is only


def test_least_requests_go_by_weight() -> None:
    some = members(3, 1)
    balancer = Balancer(some, LeastRequests)
    for _ in range(40):
        balancer.pick().active += 1
    assert [member.active for member in some] == [30, 10]


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 8), st.integers(0, 7), st.integers(0, 1000))
def test_when_a_target_goes_only_its_keys_move_and_they_return(size, gone, seed) -> None:
    some = members(*[1 + at % 3 for at in range(size)])
    balancer, lost = Balancer(some, Rendezvous), some[gone % size]
    keys = [f"{seed}-{number}".encode() for number in range(200)]
    before = {key: balancer.pick(key) for key in keys}
    lost.health.value = 0.0
    for key, member in before.items():
        moved = balancer.pick(key)
        assert moved is not lost
        assert moved is member or member is lost
    # On its way back, it takes back some of its own, and no other's.
    lost.health.value = 0.4
    assert all(balancer.pick(key) in (member, balancer.pick(key, [lost])) for key, member in before.items())
    assert all(balancer.pick(key) is member for key, member in before.items() if member is not lost)
    lost.health.value = 1.0
    assert all(balancer.pick(key) is member for key, member in before.items())


def test_keys_spread_by_weight_and_without_a_key_all_take_turns() -> None:
    balancer = Balancer(members(1, 2, 1), Rendezvous)
    count = Counter(balancer.pick(str(number).encode()).name for number in range(4000))
    assert [round(count[f"target-{at}"] / 1000, 0) for at in range(3)] == [1, 2, 1]
    assert Counter(balancer.pick().name for _ in range(8)) == {"target-0": 2, "target-1": 4, "target-2": 2}


def test_targets_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError):
        Member("a", 0)
    with pytest.raises(ValueError):
        Balancer([])
    with pytest.raises(ValueError):
        Balancer([Member("a"), Member("a")], RoundRobin)
