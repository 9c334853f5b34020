"""The buckets in Redis decide what the meters in memory decide, whatever comes and whenever."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from needs import needs

from broker.core.rates import Rate
from broker.policy.fair_queue import Priority
from broker.policy.meter import Meter, Tokens, share_of
from broker.policy.rate import TokenBucket
from broker.policy.shared_bucket import SharedBucket
from broker.policy.shared_script import SCRIPT, Terms, operands
from broker.testing.redis_server import RedisServer

TIMED = SCRIPT.replace("redis.call('TIME')", "{ARGV[#ARGV - 1], ARGV[#ARGV]}")
"""The same on a clock that the test sets."""
NAMES = ["caller:a", "route:b", "upstream:c"]
RATES = st.builds(
    Rate,
    st.sampled_from([1 / 3600, 1 / 60, 1.0, 3.0, 100.0, 12345.0]),
    st.sampled_from([1.0, 2.0, 10.0, 12345.0]),
)
STEPS = st.lists(
    st.tuples(
        st.integers(0, 3_000_000),
        st.sets(st.integers(0, 2), min_size=1),
        st.sampled_from(Priority),
        st.booleans(),
    ),
    max_size=40,
)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator["redis.Redis"]:
    directory: Path = tmp_path_factory.mktemp("redis")
    with RedisServer(needs("redis-server"), directory) as server, server.client() as client:
        yield client


class Both:
    """The same buckets twice: in the server, and here. The last is an upstream's."""

    def __init__(self, client: "redis.Redis", rates: list[Rate]) -> None:
        client.flushall()
        self.micros = 1_700_000_000_000_000
        self._client = client
        shares = {each: self._tokens(f"share:{each.name}", share_of(rates[-1], each)) for each in Priority if each}
        self._meters = [
            Meter(self._tokens(name, rate), name, shares if name == NAMES[-1] else None)
            for name, rate in zip(NAMES, rates, strict=True)
        ]

    def _tokens(self, name: str, rate: Rate) -> Tokens:
        return Tokens(TokenBucket(rate, lambda: self.micros / 1e6 - 1_700_000_000), SharedBucket(name, rate))

    def there(self, chosen: list[int], priority: Priority = Priority.HIGH) -> tuple[float, list[str]]:
        """What the server decides: how long to wait, or which buckets were charged."""
        asked = [self._meters[i].asked(priority) for i in chosen]
        which, wait, helped = self._eval(
            [
                Terms(one.bucket.name, one.bucket.rate, 1.0, one.kept, one.share and (one.share.name, one.share.rate))
                for one in asked
            ]
        )
        if which:
            return float(wait), []
        return 0.0, [one.bucket.name for one in asked] + [asked[at - 1].share.name for at in helped]

    def here(self, chosen: list[int], priority: Priority) -> tuple[float, list[TokenBucket]]:
        """What the meters here decide, all of them or none."""
        taken: list[TokenBucket] = []
        wait = max(self._meters[index].take(priority, taken) for index in chosen)
        if wait:
            for bucket in taken:
                bucket.give_back()
            taken = []
        return wait, taken

    def give_back(self, charged: list[str], taken: list[TokenBucket]) -> None:
        """On both sides."""
        rates = {each.everywhere.name: each.everywhere.rate for meter in self._meters for each in self._all(meter)}
        assert self._eval([Terms(name, rates[name], -1.0) for name in charged])[0] == 0
        for bucket in taken:
            bucket.give_back()

    def on_the_edge(self, priority: Priority) -> bool:
        """Whether the upstream's bucket had just what such a call has to leave, and the token that it took."""
        asked, left = self._meters[-1].asked(priority), self._meters[-1].tokens.here.left()
        return abs(left - asked.kept) / asked.bucket.rate.per_second < 1e-5

    def names(self, buckets: list[TokenBucket]) -> set[str]:
        """How the server calls those here."""
        every = [each for meter in self._meters for each in self._all(meter)]
        return {each.everywhere.name for each in every if each.here in buckets}

    def _all(self, meter: Meter) -> list[Tokens]:
        return [meter.tokens, *meter.shares.values()]

    def _eval(self, terms: list[Terms]) -> Any:
        return self._client.eval(TIMED, *operands(terms), *map(str, divmod(self.micros, 1_000_000)))


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(RATES, min_size=3, max_size=3), STEPS)
def test_the_script_decides_as_the_meters_in_memory(client: "redis.Redis", rates: list[Rate], steps: list[Any]) -> None:
    both = Both(client, rates)
    for passed, some, priority, returned in steps:
        both.micros += passed
        there, charged = both.there(sorted(some), priority)
        here, taken = both.here(sorted(some), priority)
        if bool(there) != bool(here):
            assert max(there, here) < 1e-5, "more than a float's last digit decided"
            return
        if both.names(taken) != set(charged):
            assert both.on_the_edge(priority), "more than a float's last digit decided"
            return
        assert there == pytest.approx(here, rel=1e-6, abs=1e-5)
        if returned and charged:
            both.give_back(charged, taken)


def test_a_key_goes_when_its_bucket_is_full(client: "redis.Redis") -> None:
    both = Both(client, [Rate(2.0, 10.0)] * 3)
    for _ in range(4):
        assert both.there([0, 1]) == (0.0, NAMES[:2])
    assert client.pttl(NAMES[0]) == pytest.approx(3000, abs=500)
    assert client.exists(NAMES[2]) == 0


def test_a_clock_that_goes_back_locks_nobody_out(client: "redis.Redis") -> None:
    both = Both(client, [Rate(1.0, 2.0)] * 3)
    assert [both.there([0])[0] for _ in range(2)] == [0.0, 0.0]
    both.micros -= 3_600_000_000
    assert both.there([0]) == (pytest.approx(1.0), [])
    assert both.there([1])[0] == 0.0


def test_what_a_priority_has_to_leave_is_left_and_its_share_helps_before_that_comes_back(client: "redis.Redis") -> None:
    both = Both(client, [Rate(1.0, 4.0)] * 3)
    charged = [both.there([2], Priority.LOW) for _ in range(5)]
    upstream, share = NAMES[2], "share:LOW"
    assert charged == [(0.0, [upstream])] * 3 + [(0.0, [upstream, share])] * 2
    # It would be there sooner than the share has one more.
    assert both.there([2], Priority.LOW) == (pytest.approx(3.0), [])


def test_a_full_bucket_takes_nothing_back(client: "redis.Redis") -> None:
    both = Both(client, [Rate(1 / 60, 2.0)] * 3)
    both.give_back(NAMES[:1], [])
    assert [bool(both.there([0])[0]) for _ in range(3)] == [False, False, True]
