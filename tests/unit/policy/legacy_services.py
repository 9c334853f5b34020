"""Legacy services under an open load and a limit, with a clock that jumps from event to event."""

import heapq
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Protocol

from broker.policy.adaptive import AdaptiveLimit
from broker.policy.adaptive_settings import AdaptiveSettings


class Service(Protocol):
    """How long it takes over a call that begins at `now`, as one of `active`."""

    def begin(self, now: float, active: int, work: float) -> float:
        """Seconds."""


class Queueing:
    """So many workers, and a queue of its own before them: it takes all calls and completes no more for it."""

    def __init__(self, workers: int) -> None:
        self._free = [0.0] * workers

    def begin(self, now: float, active: int, work: float) -> float:
        end = max(now, heapq.heappop(self._free)) + work
        heapq.heappush(self._free, end)
        return end - now


class Sharing:
    """Every call slows all others down by the same."""

    def __init__(self, slope: float) -> None:
        self._slope = slope
        """Of the time of one call, for each call under way."""

    def begin(self, now: float, active: int, work: float) -> float:
        return work * (1.0 + self._slope * active)


class Collapsing:
    """Well with so many calls at a time; each call beyond slows it down for long (as that of bench.overload)."""

    def __init__(self, places: int) -> None:
        self._places = places
        self._strain = self._at = 0.0

    def begin(self, now: float, active: int, work: float) -> float:
        crowd = active / self._places
        self._strain = min(1.0, self._strain * 3.0 ** ((self._at - now) / 8.0) + (0.01 if crowd > 1 else 0.0))
        self._at = now
        return work * max(1.0, crowd) ** 1.5 * (1.0 + self._strain)


def even(seconds: float) -> Callable[[Random], float]:
    """Calls that are all alike."""
    return lambda dice: seconds


def uneven(seconds: float) -> Callable[[Random], float]:
    """Exponential."""
    return lambda dice: dice.expovariate(1 / seconds)


def mixed(quick: float, slow: float, share: float) -> Callable[[Random], float]:
    """Some take much longer."""
    return lambda dice: slow if dice.random() < share else quick


@dataclass
class Second:
    """What was seen in it."""

    limit: int
    active: int
    good: int


class Play:
    """Callers come at random times whatever happens, and wait for a place for half a second."""

    WAIT = 0.5

    def __init__(self, service: Service, work: Callable[[Random], float], seed: int = 7, **settings: float) -> None:
        self.now = 0.0
        self.limit = 1
        self.work = work
        self.service = service
        self.refuses = 0.0
        """The share of calls that it answers with 503 at once, whatever the load."""
        self.active = 0
        self.good: Counter[int] = Counter()
        self.limits: list[int] = []
        self.dice = Random(seed)
        self._events: list[tuple[float, int, float, bool]] = []
        self._waiting: deque[float] = deque()
        self._served = 0
        self.adaptive = AdaptiveLimit(AdaptiveSettings(**settings), self._set_limit, lambda: self.now)  # type: ignore[arg-type]

    def _set_limit(self, limit: int) -> None:
        self.limit = limit

    def run(self, until: float, rate: float) -> "Play":
        """Offer so many calls a second."""
        arrival = self.now + self.dice.expovariate(rate)
        while self.now < until:
            while len(self.limits) <= self.now:
                self.limits.append(self.limit)
            if self._events and self._events[0][0] <= arrival:
                self.now, _, began, refused = heapq.heappop(self._events)
                self._end(began, refused)
            else:
                self.now = arrival
                arrival += self.dice.expovariate(rate)
                self._waiting.append(self.now)
                if self.active >= self.limit:
                    self.adaptive.look()
            self._fill()
        return self

    def _end(self, began: float, refused: bool) -> None:
        self.adaptive.observe(self.now - began, self.active, overloaded=refused)
        self.active -= 1
        self.good[int(self.now)] += not refused

    def _fill(self) -> None:
        while self._waiting and self.active < self.limit:
            if self._waiting.popleft() < self.now - self.WAIT:
                continue
            self.active += 1
            self._served += 1
            refused = self.refuses > 0 and self.dice.random() < self.refuses
            seconds = 0.01 if refused else self.service.begin(self.now, self.active, self.work(self.dice))
            heapq.heappush(self._events, (self.now + seconds, self._served, self.now, refused))

    def goodput(self, begin: int, end: int) -> float:
        """Calls a second."""
        return sum(self.good[second] for second in range(begin, end)) / (end - begin)
