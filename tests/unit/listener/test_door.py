"""The count of connections, by itself."""

import logging
from collections import Counter
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.callers.address import peer_key
from broker.config.limits import Limits
from broker.core.rates import Rate
from broker.listener.door import Door
from broker.listener.refusals import QUIET, Refusals
from broker.listener.request_rate import RequestRate

KEYS = st.sampled_from(["a", "b", "c", None])


def door(**limits: int) -> Door:
    made = Door(Refusals({}))
    made.reconfigure(Limits.model_validate(limits))
    return made


@given(st.lists(st.one_of(KEYS.map(lambda key: (key, True)), KEYS.map(lambda key: (key, False)))))
def test_what_is_counted_is_who_is_in(moves: list[tuple[str | None, bool]]) -> None:
    one = door(connections=4, connections_per_address=2)
    inside: Counter[str | None] = Counter()
    for key, comes in moves:
        if not comes:
            if inside[key]:
                inside[key] -= 1
                one.leave(key)
            continue
        full = inside.total() >= 4
        refused = "total" if full else "address" if key is not None and inside[key] >= 2 else None
        assert one.refuses(key) == refused
        if refused is None:
            inside[key] += 1
            one.enter(key)
        assert one.connections == inside.total()
        assert len(one) == sum(1 for name, number in inside.items() if number and name is not None)


def test_lower_limits_leave_who_is_in() -> None:
    one = door()
    for _ in range(5):
        one.enter("a")
    one.reconfigure(Limits.model_validate({"connections": 3, "connections_per_address": 2}))
    assert one.refuses("b") == "total"
    for left in (4, 3, 2):
        one.leave("a")
        assert one.connections == left
    assert (one.refuses("a"), one.refuses("b")) == ("address", None)


def test_a_rate_that_stays_keeps_its_counts() -> None:
    one = door()
    assert one.request_rate is None
    limits = Limits.model_validate({"rate_per_address": "5/s"})
    assert limits.rate_per_address == Rate(5.0, 5)
    one.reconfigure(limits)
    rate = one.request_rate
    one.reconfigure(Limits.model_validate({"rate_per_address": "5/s", "connections": 1}))
    assert one.request_rate is rate
    one.reconfigure(Limits.model_validate({"rate_per_address": "6/s"}))
    assert one.request_rate is not rate
    one.reconfigure(Limits())
    assert one.request_rate is None


@pytest.mark.parametrize(
    ("peer", "key"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
    ],
)
def test_whose_address_it_is(peer: str, key: str) -> None:
    assert peer_key(peer) == key


def test_refusals_are_all_counted_and_seldom_told(caplog: pytest.LogCaptureFixture) -> None:
    now = 0.0
    counts: dict[tuple[str, str], int] = {}
    refusals = Refusals(counts, lambda: now)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            refusals.note("in", "address", "192.0.2.1")
        refusals.note("in", "listener", "192.0.2.2")
        now = QUIET
        refusals.note("in", "address", "192.0.2.3")
    assert counts == {("in", "address"): 4, ("in", "listener"): 1}
    told = [
        (record.__dict__["reason"], record.__dict__["peer"], record.__dict__["refused"]) for record in caplog.records
    ]
    assert told == [("address", "192.0.2.1", 1), ("listener", "192.0.2.2", 1), ("address", "192.0.2.3", 3)]
    assert "listeners.in.limits.connections is reached" in caplog.text


def test_whoever_has_many_addresses_of_one_network_has_one_rate() -> None:
    rate = RequestRate(Rate(1.0, 2.0), lambda: 0.0)

    def refused(peer: str) -> bool:
        exchange: Any = SimpleNamespace(caller_side=SimpleNamespace(peer=peer, peer_trusted=False))
        return rate.refusal(exchange) is not None

    assert [refused(f"2001:db8:1:2::{number}") for number in range(3)] == [False, False, True]
    assert not refused("2001:db8:1:3::1")
