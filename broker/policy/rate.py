"""How many calls a second: a token bucket, exact in one process and free of timers.

The bucket is one number, the time at which it will be full again (the generic cell rate algorithm, ITU-T I.371): what
drips in between two calls needs no bookkeeping.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from math import ceil, inf
from typing import Final

from broker.core.rates import RATE, Rate, parse_rate

__all__ = ["RATE", "Rate", "TokenBucket", "TokenBuckets", "parse_rate", "retry_after"]

MOST_ADVISED: Final = 3600
"""Seconds; a longer `Retry-After` helps nobody."""

_ROUNDING: Final = 1e-9
"""Seconds; who has waited as long as told is not sent away for the sake of a float's last digit."""


def retry_after(seconds: float) -> int:
    """Whole seconds for `Retry-After` (RFC 9110 section 10.2.3): never too early, at least 1, at most an hour."""
    return max(1, ceil(min(seconds, MOST_ADVISED)))


class TokenBucket:
    """Lets `burst` calls through at once, and `per_second` in the long run."""

    __slots__ = ("_burst", "_clock", "_depth", "_full_at", "_per_token")

    def __init__(self, rate: Rate, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._burst = rate.burst
        self._per_token = 1.0 / rate.per_second
        self._depth = rate.burst * self._per_token
        """Seconds in which an empty bucket fills."""
        self._full_at = -inf

    def take(self, cost: float = 1.0, *, debt: float = 0.0) -> float:
        """Take `cost` tokens and give 0.0, or take none and give the seconds until they would be there.

        A cost above the burst is never there: `inf`. `debt`: so many of them need not be there yet.
        """
        now = self._clock()
        need = cost * self._per_token
        full_at = self._full_at
        full_at = max(full_at, now) + need
        wait = full_at - now - self._depth - debt * self._per_token
        if wait > _ROUNDING:
            return inf if need > self._depth + _ROUNDING else wait
        self._full_at = full_at
        return 0.0

    def give_back(self, cost: float = 1.0) -> None:
        """Undo a `take`: the call was refused elsewhere and cost nothing."""
        self._full_at -= cost * self._per_token

    def reconfigure(self, rate: Rate) -> None:
        """Go by another rate, as full as it is: what is empty brings no burst, and a debt stays one."""
        left, now = self.left(), self._clock()
        if left > 0:
            left *= rate.burst / self._burst
        self._burst = rate.burst
        self._per_token = 1.0 / rate.per_second
        self._depth = rate.burst * self._per_token
        self._full_at = now + (rate.burst - left) * self._per_token

    def left(self) -> float:
        """Tokens in the bucket now; less than 0: it is in debt."""
        return self._burst - max(0.0, self._full_at - self._clock()) / self._per_token


class TokenBuckets:
    """A bucket for each key, such as the caller; the `most` latest keys are remembered."""

    def __init__(self, rate: Rate, clock: Callable[[], float], most: int = 10_000) -> None:
        self._rate = rate
        self._clock = clock
        self._most = most
        self._buckets: OrderedDict[Hashable, TokenBucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def bucket(self, key: Hashable) -> TokenBucket:
        """The bucket of a key; a key that was not seen for long begins with a full one."""
        found = self._buckets.get(key)
        if found is None:
            found = self._buckets[key] = TokenBucket(self._rate, self._clock)
            if len(self._buckets) > self._most:
                self._buckets.popitem(last=False)
        else:
            self._buckets.move_to_end(key)
        return found

    def take(self, key: Hashable, cost: float = 1.0) -> float:
        """As `TokenBucket.take`, from the bucket of `key`."""
        return self.bucket(key).take(cost)

    def wait(self, key: Hashable) -> float:
        """What `take` would give. Takes nothing, and remembers no key for having been asked about it."""
        found = self._buckets.get(key)
        if found is None:
            return 0.0
        wait = found.take()
        if not wait:
            found.give_back()
        return wait
