"""What the gate does with a store that replicas share: it decides, and what it gave is given back."""

import asyncio
from collections.abc import Sequence
from math import inf
from types import SimpleNamespace
from typing import Any

import pytest

from broker.core.errors import BrokerError
from broker.core.rates import Rate
from broker.policy.bulkhead import Bulkhead, BulkheadSettings
from broker.policy.fair_queue import Priority
from broker.policy.gate import Gate
from broker.policy.meter import Meter, Tokens, share_of
from broker.policy.pause import Pauses
from broker.policy.rate import TokenBucket
from broker.policy.shared_bucket import Asked, Refused, SharedBucket, StoreAway


class Store:
    """Answers as it is told, and knows what it was asked."""

    up = True
    fallbacks = 0

    def __init__(self) -> None:
        self.answer: Refused | StoreAway | None = None
        self.asked: list[list[tuple[str, float]]] = []
        self.by_share = False
        self.returned: list[list[str]] = []

    async def take(self, asked: Sequence[Asked]) -> list[SharedBucket] | Refused:
        self.asked.append([(one.bucket.name, one.kept) for one in asked])
        if isinstance(self.answer, StoreAway):
            raise self.answer
        shares = [one.share for one in asked if one.share is not None and self.by_share]
        return self.answer or [one.bucket for one in asked] + shares

    def give_back(self, buckets: Sequence[SharedBucket]) -> None:
        self.returned.append([bucket.name for bucket in buckets])

    async def begin(self) -> None:
        """Nothing to do."""

    async def close(self) -> None:
        """Nothing to do."""


class Limits:
    """A gate with a rate of the route, of the upstream and of the caller `fno`: ten at once, ten a second."""

    def __init__(self, clock: Any, places: int | None = None, rate: Rate | None = None) -> None:
        self.rate = rate or Rate(10.0, 10.0)
        self.store = Store()
        self.buckets = {name: TokenBucket(self.rate, clock) for name in ("route:r", "upstream:u", "caller:fno")}
        tokens = {name: Tokens(bucket, SharedBucket(name, self.rate)) for name, bucket in self.buckets.items()}
        rate = share_of(self.rate, Priority.MEDIUM)
        self.share = TokenBucket(rate, clock)
        shares = {Priority.MEDIUM: Tokens(self.share, SharedBucket("share:medium:u", rate))}
        meters = {name: Meter(each, name, shares if name == "upstream:u" else None) for name, each in tokens.items()}
        own = {"fno": meters.pop("caller:fno")}
        bulkheads = [] if places is None else [Bulkhead(BulkheadSettings(places, 1, inf), clock)]
        self.gate = Gate(
            list(meters.values()), own, bulkheads, Priority.MEDIUM, {}, Pauses(clock, clock), "u", "r", self.store
        )

    def left(self) -> dict[str, float]:
        """Tokens in the buckets of this process."""
        return {name: round(bucket.left(), 6) for name, bucket in self.buckets.items()}

    async def call(self, caller: str = "fno") -> Any:
        """One call through the gate."""
        exchange: Any = SimpleNamespace(caller=caller, due=inf, held=[])
        await self.gate.enter(exchange)
        return exchange


async def test_the_store_is_asked_for_all_buckets_at_once_and_those_here_follow(clock: Any) -> None:
    limits = Limits(clock)
    await limits.call()
    await limits.call("somebody")
    assert limits.store.asked == [
        [("caller:fno", 0.0), ("route:r", 0.0), ("upstream:u", 1.0)],
        [("route:r", 0.0), ("upstream:u", 1.0)],
    ]
    assert limits.left() == {"route:r": 8.0, "upstream:u": 8.0, "caller:fno": 9.0}
    assert limits.store.returned == []


async def test_the_refusal_of_the_store_counts_although_there_is_plenty_here(clock: Any) -> None:
    limits = Limits(clock)
    limits.store.answer = Refused(1, 2.5)
    with pytest.raises(BrokerError) as caught:
        await limits.call()
    assert caught.value.code == "rate_limited"
    assert caught.value.detail == "route:r"
    assert dict(caught.value.headers)["Retry-After"] == "3"
    assert set(limits.left().values()) == {10.0}


async def test_buckets_here_that_are_empty_refuse_nothing_while_the_store_grants_it(clock: Any) -> None:
    limits = Limits(clock, rate=Rate(1.0, 1.0))
    for _ in range(3):
        await limits.call()


async def test_while_the_store_is_away_the_buckets_here_decide(clock: Any) -> None:
    limits = Limits(clock)
    for _ in range(7):
        await limits.call()
    limits.store.answer = StoreAway("gone")
    # Two that leave a token to high, and one of the share.
    for _ in range(3):
        await limits.call()
    with pytest.raises(BrokerError) as caught:
        await limits.call()
    assert caught.value.detail == "caller:fno"
    assert set(limits.left().values()) == {0.0}
    assert limits.share.left() == pytest.approx(1.0)
    assert limits.store.returned == []


async def test_what_came_of_a_share_is_taken_and_given_back_there_too(clock: Any) -> None:
    limits = Limits(clock, places=1)
    limits.store.by_share = True
    await limits.call()
    assert limits.share.left() == pytest.approx(1.0)
    waiting = asyncio.create_task(limits.call())
    await asyncio.sleep(0)
    assert limits.share.left() == pytest.approx(0.0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert limits.share.left() == pytest.approx(1.0)
    assert limits.store.returned == [["caller:fno", "route:r", "upstream:u", "share:medium:u"]]


async def test_a_call_without_a_rate_does_not_ask_the_store(clock: Any) -> None:
    rate = Rate(1.0, 1.0)
    meter = Meter(Tokens(TokenBucket(rate, clock), SharedBucket("caller:fno", rate)), "")
    store = Store()
    gate = Gate([], {"fno": meter}, [], Priority.MEDIUM, {}, Pauses(clock, clock), "u", "r", store)
    await gate.enter(SimpleNamespace(caller="somebody", due=inf, held=[]))  # type: ignore[arg-type]
    assert store.asked == []


async def test_a_call_that_finds_no_place_gives_back_what_it_took_everywhere(clock: Any) -> None:
    limits = Limits(clock, places=1)
    await limits.call()
    before = limits.left()
    waiting = asyncio.create_task(limits.call())
    await asyncio.sleep(0)
    with pytest.raises(BrokerError, match="queue"):
        await limits.call("somebody")
    assert limits.store.returned == [["route:r", "upstream:u"]]
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert limits.store.returned[1:] == [["caller:fno", "route:r", "upstream:u"]]
    assert limits.left() == before


async def test_what_was_taken_here_only_is_given_back_here_only(clock: Any) -> None:
    limits = Limits(clock, places=1)
    limits.store.answer = StoreAway("gone")
    await limits.call()
    before = limits.left()
    waiting = asyncio.create_task(limits.call())
    await asyncio.sleep(0)
    assert limits.left() != before
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert limits.store.returned == []
    assert limits.left() == before
