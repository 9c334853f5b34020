"""How many calls a second: a token bucket, exact in one process and free of timers.

The bucket is one number, the time at which it will be full again (the generic cell rate algorithm, ITU-T I.371): what
drips in between two calls needs no bookkeeping.
"""

import re
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from math import ceil, inf
from typing import Final

RATE: Final = r"^[0-9]{1,9}/(s|m|h)( burst [0-9]{1,9})?$"
MOST_ADVISED: Final = 3600
"""Seconds; a longer `Retry-After` helps nobody."""

_SECONDS: Final = {"s": 1.0, "m": 60.0, "h": 3600.0}
_TAKEN: Final = re.compile(r"([0-9]{1,9})/([smh])(?: burst ([0-9]{1,9}))?", re.ASCII)
_ROUNDING: Final = 1e-9
"""Seconds; who has waited as long as told is not sent away for the sake of a float's last digit."""


@dataclass(frozen=True, slots=True)
class Rate:
    """Calls per second in the long run, and how many may come at once."""

    per_second: float
    burst: float

    def __post_init__(self) -> None:
        if not 0 < self.per_second < inf or not 1 <= self.burst < inf:
            raise ValueError("a rate is more than 0 a second, and its burst at least 1")


def parse_rate(value: object) -> Rate:
    """The rate of `100/s`, `600/m`, `5000/h` or `10/s burst 20`; raises `ValueError`.

    Without a burst, what one second brings may come at once, and never less than one call.
    """
    found = _TAKEN.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError("expected a rate such as 100/s, 600/m, 5000/h or 10/s burst 20")
    per_second = int(found[1]) / _SECONDS[found[2]]
    if not per_second:
        raise ValueError("expected a rate of more than 0, such as 1/m")
    if found[3] is None:
        return Rate(per_second, max(1, ceil(per_second)))
    if int(found[3]) < 1:
        raise ValueError("expected a burst of at least 1: with 0, no call could ever pass")
    return Rate(per_second, int(found[3]))


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

    def take(self, cost: float = 1.0) -> float:
        """Take `cost` tokens and give 0.0, or take none and give the seconds until they would be there.

        A cost above the burst is never there: `inf`.
        """
        now = self._clock()
        need = cost * self._per_token
        full_at = self._full_at
        full_at = max(full_at, now) + need
        wait = full_at - now - self._depth
        if wait > _ROUNDING:
            return inf if need > self._depth + _ROUNDING else wait
        self._full_at = full_at
        return 0.0

    def give_back(self, cost: float = 1.0) -> None:
        """Undo a `take`: the call was refused elsewhere and cost nothing."""
        self._full_at -= cost * self._per_token

    def left(self) -> float:
        """Tokens in the bucket now."""
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
