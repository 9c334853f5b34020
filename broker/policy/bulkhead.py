"""So many calls at a time, and a short, fair queue before them: a fragile service is never given more.

A place that becomes free is handed to whoever waits, and never passes through a state in which somebody else could
take it; so nobody is overtaken by a newcomer, and no wakeup is lost.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from math import ceil, inf
from typing import Any, Final, NoReturn

from broker.policy.adaptive_settings import AdaptiveSettings
from broker.policy.fair_queue import WEIGHTS, FairQueue, Priority
from broker.policy.refusal import refusal
from broker.policy.service_rate import ServiceRate

FULL: Final = "The queue is full."
BUSY: Final = "As many calls are under way as may be."
CROWDED: Final = "The queue is nearly full, and kept for calls of a higher priority."
EVICTED: Final = "A call of a higher priority took the place in the queue."
TOO_LONG: Final = "The call waited too long for its turn."


@dataclass(frozen=True, slots=True)
class BulkheadSettings:
    """Counts, seconds, and shares of 1."""

    limit: int
    """Calls at a time."""
    queue: int = 0
    """Calls that may wait; 0: none."""
    wait: float = inf
    """Seconds that a call waits at most."""
    weights: tuple[int, int, int] = WEIGHTS
    """How often high, medium and low have their turn."""
    low_share: float = 0.8
    """How full the queue may be for a call of low priority to join it."""
    adaptive: AdaptiveSettings | None = None
    """How the limit is found out; None: it stays as it is."""

    def __post_init__(self) -> None:
        if self.limit < 1 or self.queue < 0 or self.wait <= 0 or not 0 < self.low_share <= 1:
            raise ValueError("a bulkhead has a limit of at least 1, a queue of at least 0, and a wait longer than 0")


def _parts(size: int, weights: tuple[int, int, int]) -> tuple[int, ...]:
    """Shares of a queue; where there is a place for each, nobody is without one and starves."""
    least = 1 if size >= len(weights) else 0
    return tuple(max(least, size * weight // sum(weights)) for weight in weights)


class Turn(asyncio.Future[str]):
    """A call in the queue; its result is why it is refused, or empty when its turn has come."""

    def __init__(self, queue: "FairQueue[Turn]", priority: Priority) -> None:
        super().__init__(loop=asyncio.get_running_loop())
        self._queue = queue
        self._priority = priority
        queue.push(self, priority)

    def cancel(self, msg: Any | None = None) -> bool:
        """The call was cancelled: it leaves the queue now, and not when its task runs again."""
        self._queue.remove(self, self._priority)
        return super().cancel(msg)

    def expire(self) -> None:
        """It has waited long enough."""
        if self._queue.remove(self, self._priority):
            self.set_result(TOO_LONG)


class Bulkhead:
    """Whoever was let in leaves exactly once."""

    def __init__(self, settings: BulkheadSettings, clock: Callable[[], float]) -> None:
        self.limit = settings.limit
        self.active = 0
        """Calls that are in."""
        self.refused: dict[str, int] = {FULL: 0, BUSY: 0, CROWDED: 0, EVICTED: 0, TOO_LONG: 0}
        self._clock = clock
        self._rate = ServiceRate(clock)
        self._queue: FairQueue[Turn] = FairQueue(settings.weights)
        self._arrange(settings)

    def _arrange(self, settings: BulkheadSettings) -> None:
        self._settings = settings
        self._parts = _parts(settings.queue, settings.weights)
        """How much of the queue is each priority's own; what its own line needs less, others may take."""
        self._low_room = ceil(settings.queue * settings.low_share)

    def reconfigure(self, settings: BulkheadSettings) -> None:
        """Go by other settings, but for the weights: calls that are in count on, and those that wait go on waiting."""
        self._arrange(settings)
        self.set_limit(settings.limit)

    @property
    def waiting(self) -> int:
        """Calls in the queue."""
        return self._queue.size

    def try_enter(self) -> bool:
        """Go in, if there is room. While there is room nobody waits: so nobody is overtaken."""
        if self.active >= self.limit:
            return False
        self.active += 1
        if self.active == self.limit:
            self._rate.full()
        return True

    async def enter(self, priority: Priority = Priority.MEDIUM, deadline: float = inf, waited: float = 0.0) -> float:
        """Go in, after a wait if need be, and give the seconds waited in all; raises `BrokerError` `overloaded`.

        `deadline` is a time of the clock, in seconds; `waited`: seconds in queues before this one, which count. A
        cancelled call is not in, and does not leave.
        """
        if self.try_enter():
            return waited
        since = self._clock()
        longest = min(self._settings.wait - waited, deadline - since)
        if longest <= 0:
            self._refuse(TOO_LONG)
        self._make_room(priority)
        turn = Turn(self._queue, priority)
        timer = turn.get_loop().call_later(longest, turn.expire) if longest < inf else None
        try:
            answer = await turn
        except asyncio.CancelledError:
            if not turn.cancelled() and not turn.result():
                # Its turn had come, and it does not know: the place goes to the next.
                self.active -= 1
                self._hand_over()
            raise
        finally:
            if timer is not None:
                timer.cancel()
        if answer:
            self._refuse(answer)
        return waited + self._clock() - since

    def leave(self) -> None:
        """A call is over; its place goes to the next."""
        if self.active >= self.limit:
            self._rate.completed(self.limit)
        self.active -= 1
        if self._queue.size:
            self._hand_over()

    def set_limit(self, limit: int) -> None:
        """Another limit, at least 1. Calls that are in stay in; none follows until there is room."""
        if limit < 1:
            raise ValueError("a limit is at least 1")
        was_full, self.limit = self.active >= self.limit, limit
        self._hand_over()
        if not was_full and self.active >= limit:
            self._rate.full()

    def retry_in(self) -> float:
        """Seconds until those who wait now will have had their turn, and a newcomer its own."""
        if self.active < self.limit:
            return 0.0
        return self._rate.seconds_for(self._queue.size + 1, self.limit)

    def _make_room(self, priority: Priority) -> None:
        queue, most = self._queue, self._settings.queue
        if queue.size > most or not most:
            # A queue that was made shorter takes nobody until it is.
            self._refuse(FULL if most else BUSY)
        own = queue.waiting(priority) < self._parts[priority]
        if priority is Priority.LOW and not own and self._low_room <= queue.size < most:
            self._refuse(CROWDED)
        if queue.size < most:
            return
        evicted = queue.evict(priority, self._parts, own=own)
        if evicted is None:
            self._refuse(FULL)
        else:
            evicted.set_result(EVICTED)

    def _hand_over(self) -> None:
        while self.active < self.limit:
            turn = self._queue.pop()
            if turn is None:
                return
            self.active += 1
            turn.set_result("")

    def _refuse(self, why: str) -> NoReturn:
        self.refused[why] += 1
        raise refusal("overloaded", self.retry_in(), why)
