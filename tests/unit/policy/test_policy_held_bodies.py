"""What is held is counted once, never above the limit, and given back whoever forgets it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.core.errors import BrokerError
from broker.policy.held_bodies import HeldBodies, HeldShare

STEP = st.tuples(st.sampled_from(["new", "grow", "grow", "leave", "forget", "limit"]), st.integers(0, 50))


@given(st.lists(STEP, max_size=60))
def test_the_count_is_the_sum_of_what_is_held(steps: list[tuple[str, int]]) -> None:
    held, shares = HeldBodies(100), list[HeldShare]()
    for action, number in steps:
        if action == "new":
            shares.append(held.share())
        elif action == "limit":
            held.most = number * 4
        elif shares and action == "grow":
            before, room = held.used, held.most - held.used
            alone = shares[number % len(shares)].size + number > held.most
            try:
                shares[number % len(shares)].grow(number)
            except BrokerError as error:
                assert number > room
                assert held.used == before
                told = error.code, bool(error.headers)
                assert told == (("body_too_large", False) if alone else ("overloaded", True))
            else:
                assert number <= room
        elif shares and action == "leave":
            shares[number % len(shares)].leave()
        elif shares and action == "forget":
            del shares[number % len(shares)]
        assert held.used == sum(share.size for share in shares)
    shares.clear()
    assert held.used == 0


def test_a_refusal_says_when_to_come_back() -> None:
    held = HeldBodies(10)
    other = held.share()
    other.grow(1)
    with pytest.raises(BrokerError) as refused:
        held.share().grow(10)
    assert (refused.value.code, refused.value.status) == ("overloaded", 503)
    assert refused.value.headers == (("Retry-After", "5"),)


def test_what_never_has_room_is_told_so() -> None:
    held = HeldBodies(10)
    held.check(10)
    with pytest.raises(BrokerError) as refused:
        held.check(11)
    assert (refused.value.code, refused.value.status, refused.value.headers) == ("body_too_large", 413, ())
    assert "10 bytes (limits.held_bodies)" in refused.value.detail
