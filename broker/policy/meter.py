"""The rates that a call is measured by, and what it took of them.

Of an upstream's bucket the less important calls leave some to the more important. So that nobody starves where those
take every token, medium and low each have a share of the rate besides, as a small bucket: a call with a token of that
may leave the upstream's bucket one token in debt. It comes before high does, who need a whole token there; and as both
buckets are charged, all priorities together never get more than the rate.
"""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from broker.core.rates import Rate
from broker.policy.fair_queue import WEIGHTS, Priority
from broker.policy.rate import TokenBucket
from broker.policy.shared_bucket import Asked, SharedBucket, SharedLimits

RESERVED: Final = {Priority.HIGH: 0.0, Priority.MEDIUM: 0.1, Priority.LOW: 0.25}
"""Share of an upstream's burst that calls of a priority leave to the more important ones."""

_SAVED: Final = 2.0
"""Tokens that a share holds: a turn that another share's debt held up is not lost."""


def share_of(rate: Rate, priority: Priority) -> Rate:
    """What calls of a priority get of an upstream's rate, however much the others want."""
    return Rate(rate.per_second * WEIGHTS[priority] / sum(WEIGHTS), _SAVED)


class Tokens(NamedTuple):
    """A bucket of this process, and as replicas share it."""

    here: TokenBucket
    everywhere: SharedBucket


class Meter:
    """A bucket, with the shares of those who leave some of it, and what its refusal says."""

    __slots__ = ("shares", "tokens", "words")

    def __init__(self, tokens: Tokens, words: str, shares: Mapping[Priority, Tokens] | None = None) -> None:
        """`shares`: of what calls of all priorities take from; whoever has one leaves some to the more important."""
        self.tokens = tokens
        self.words = words
        self.shares: Mapping[Priority, Tokens] = shares or {}

    def asked(self, priority: Priority) -> Asked:
        """What a call of this priority asks of replicas' buckets."""
        share = self.shares.get(priority)
        everywhere = self.tokens.everywhere
        return Asked(everywhere, self._kept(priority), None if share is None else share.everywhere)

    def take(self, priority: Priority, taken: list[TokenBucket]) -> float:
        """0.0, and `taken` has the buckets besides; or the seconds after which there would be a token for it."""
        bucket, kept = self.tokens.here, self._kept(priority)
        wait = bucket.take(1.0 + kept)
        if wait:
            share = self.shares.get(priority)
            return wait if share is None else min(wait, self._take_of(share.here, taken))
        if kept:
            bucket.give_back(kept)
        taken.append(bucket)
        return 0.0

    def follow(self, granted: Sequence[SharedBucket], taken: list[TokenBucket]) -> None:
        """Replicas' buckets were charged: charge those here as well, as far as they have something."""
        for here, everywhere in (self.tokens, *self.shares.values()):
            if everywhere in granted and not here.take():
                taken.append(here)

    def _kept(self, priority: Priority) -> float:
        if priority not in self.shares:
            return 0.0
        burst = self.tokens.everywhere.rate.burst
        return min(RESERVED[priority] * burst, burst - 1.0)

    def _take_of(self, share: TokenBucket, taken: list[TokenBucket]) -> float:
        bucket = self.tokens.here
        of_share, of_bucket = share.take(), bucket.take(debt=1.0)
        if not of_share and not of_bucket:
            taken += (bucket, share)
        elif not of_share:
            share.give_back()
        elif not of_bucket:
            bucket.give_back()
        return max(of_share, of_bucket)


class Taken:
    """What a call took, until it is certain that it will be made."""

    __slots__ = ("_granted", "_store", "buckets")

    def __init__(self, store: SharedLimits | None = None, granted: Sequence[SharedBucket] = ()) -> None:
        """`granted`: the shared buckets that it took from, in `store`."""
        self.buckets: list[TokenBucket] = []
        """Those of this process that it took from."""
        self._store = store
        self._granted = granted

    def undo(self) -> None:
        """Give it back: the call was refused, or left."""
        for bucket in self.buckets:
            bucket.give_back()
        if self._store is not None:
            self._store.give_back(self._granted)
