"""Deadlines for tens of thousands of connections at next to no cost.

Nearly every deadline is moved before it is reached, so moving one must be cheap: an alarm keeps its due time in a
plain attribute and stays filed where it was; the wheel looks at it when that slot comes up and files it again if it
is not due yet. Only a due time *earlier* than the filed one costs anything.
"""

import asyncio
import heapq
import logging
from collections.abc import Callable
from math import ceil, inf
from time import monotonic

log = logging.getLogger(__name__)

TICK = 0.01
"""Resolution in seconds; an alarm rings up to one tick late, never early.

Connections that are cut in the same tick come back at the same time: in a longer one, so many that calls wait for them.
"""


class Alarm:
    """A deadline and what happens when it passes."""

    __slots__ = ("callback", "due", "filed")

    def __init__(self, callback: Callable[[], None]) -> None:
        self.callback = callback
        self.due = inf
        """Event-loop time in seconds; `inf` when off."""
        self.filed = inf
        """The slot (a multiple of `TICK`) under which the wheel will next look at it."""

    def cancel(self) -> None:
        """Turn it off; the wheel forgets it when its slot comes up."""
        self.due = inf

    def end(self) -> None:
        """Turn it off for good: until its slot comes up the wheel keeps the alarm, but not whose it was."""
        self.due = inf
        self.callback = _nothing


def _nothing() -> None:
    """What happens when an alarm rings that was ended."""


class AlarmWheel:
    """Files alarms by due time in slots of one tick; one timer of the event loop serves them all."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._slots: dict[int, list[Alarm]] = {}
        self._order: list[int] = []
        self._timer: asyncio.TimerHandle | None = None
        self._timer_slot: float = inf

    def set(self, alarm: Alarm, due: float) -> None:
        """Let `alarm` ring at `due` (event-loop time, seconds) instead of when it would have."""
        alarm.due = due
        if due < alarm.filed:
            self._file(alarm)

    def close(self) -> None:
        """Stop; no alarm rings any more."""
        if self._timer is not None:
            self._timer.cancel()
        self._slots.clear()
        self._order.clear()

    def _file(self, alarm: Alarm) -> None:
        slot = ceil(alarm.due / TICK)
        alarm.filed = slot * TICK
        members = self._slots.get(slot)
        if members is None:
            self._slots[slot] = [alarm]
            heapq.heappush(self._order, slot)
            self._schedule()
        else:
            members.append(alarm)

    def _schedule(self) -> None:
        if not self._order or self._order[0] >= self._timer_slot:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_slot = self._order[0]
        self._timer = self._loop.call_at(self._timer_slot * TICK, self._turn)

    def _turn(self) -> None:
        self._timer_slot = inf
        now = monotonic()
        while self._order and self._order[0] * TICK <= now:
            slot = heapq.heappop(self._order)
            for alarm in self._slots.pop(slot):
                if alarm.filed == slot * TICK:
                    self._look_at(alarm, now)
        self._schedule()

    def _look_at(self, alarm: Alarm, now: float) -> None:
        alarm.filed = inf
        if alarm.due <= now:
            alarm.due = inf
            try:
                alarm.callback()
            except Exception:
                # One connection's failure must not take the deadlines of all others with it.
                log.exception("a deadline's callback failed")
        elif alarm.due != inf:
            self._file(alarm)
