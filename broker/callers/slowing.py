"""Callers that keep showing wrong proofs wait for their answers, a little longer each time.

Who is told at once when a guess is right need not wait to hear that another one is wrong. So where many wrong proofs
come from an address, every proof from it waits before it is looked at, and few wait at the same time.
"""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass
from math import ceil
from time import monotonic
from typing import Final

from broker.callers.address import client_key
from broker.core.errors import BrokerError
from broker.core.exchange import Exchange

TOLERATED: Final = 10
"""Wrong proofs in a minute from one address beyond those that are answered at once, before all proofs from it wait."""
PLACES: Final = 8
"""Proofs from one such address that wait at the same time: together with the wait, this bounds guessing."""
_MINUTE: Final = 60.0
_PROVED: Final = "caller: proved"
"""A mark that is kept with connections; no upstream has such a name."""


@dataclass(frozen=True, slots=True)
class SlowingSettings:
    """Seconds and counts, as `limits.failed_callers` has them."""

    after: int
    delay: float
    most: float
    forget: float
    addresses: int


@dataclass(slots=True)
class _Failures:
    """What is known about an address."""

    last: float
    count: int = 0
    level: float = 0.0
    """Wrong proofs that have not been forgiven yet: a minute forgives as many as it tolerates."""
    waiting: int = 0


class _Proved:
    """A connection's mark."""

    def close(self) -> None:
        """Nothing ends with the connection."""


_MARK: Final = _Proved()


class Slowing:
    """Wrong proofs by address; as many addresses are remembered as the settings allow, the latest ones."""

    def __init__(self, settings: SlowingSettings) -> None:
        self._settings = settings
        self._failures: OrderedDict[str, _Failures] = OrderedDict()
        self._limit = settings.after + TOLERATED
        self._quiet_from = 0.0

    def __len__(self) -> int:
        return len(self._failures)

    def note(self, exchange: Exchange) -> float:
        """A wrong proof came: how many seconds its answer waits."""
        settings, now = self._settings, monotonic()
        if not settings.delay:
            return 0.0
        if exchange.caller_side.pins is not None:
            exchange.caller_side.pins.pop(_PROVED, None)
        key = client_key(exchange)
        failures = self._failures.pop(key, None)
        if failures is None or now - failures.last > settings.forget:
            failures = _Failures(now)
        # A level without a bound would make others at this address wait for long after the last guess.
        failures.level = min(self._level(failures, now) + 1, 2.0 * self._limit)
        failures.count, failures.last = failures.count + 1, now
        self._failures[key] = failures
        if len(self._failures) > settings.addresses:
            self._failures.popitem(last=False)
        if failures.level > self._limit:
            self._quiet_from = now + _MINUTE
        return self._delay(failures.count)

    def proved(self, exchange: Exchange) -> None:
        """A right proof came: until a wrong one comes, its connection need not wait for others at its address."""
        side = exchange.caller_side
        if self._failures and (side.pins is None or _PROVED not in side.pins):
            side.pin(_PROVED, _MARK)

    def suspects(self, exchange: Exchange) -> bool:
        """Whether a proof has to wait before it is looked at."""
        now = monotonic()
        if now >= self._quiet_from:
            return False
        pins = exchange.caller_side.pins
        if pins is not None and _PROVED in pins:
            return False
        failures = self._failures.get(client_key(exchange))
        return failures is not None and self._level(failures, now) > self._limit - 1

    async def hold_up(self, exchange: Exchange) -> None:
        """Let a proof wait, right or wrong; raises `BrokerError` where too many wait already."""
        failures = self._failures.get(client_key(exchange))
        if failures is None:
            return
        seconds = self._delay(failures.count)
        if failures.waiting >= PLACES:
            raise BrokerError(
                "rate_limited",
                "Too many wrong proofs come from this address.",
                headers=(("Retry-After", str(ceil(seconds))),),
            )
        failures.waiting += 1
        try:
            await asyncio.sleep(seconds)
        finally:
            failures.waiting -= 1

    def _delay(self, count: int) -> float:
        beyond = count - self._settings.after
        return 0.0 if beyond <= 0 else min(self._settings.delay * 2.0 ** min(beyond - 1, 32), self._settings.most)

    def _level(self, failures: _Failures, now: float) -> float:
        return max(0.0, failures.level - (now - failures.last) * self._limit / _MINUTE)
