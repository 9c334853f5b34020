"""The same request, sent twice by a caller that did not get its answer, reaches the legacy service once.

draft-ietf-httpapi-idempotency-key-header-07. A repeated key gets the first answer, success or error. One that comes
while the first is under way waits for its answer, and gets a 409 where the wait is too long (section 2.6); one with
another request gets a 422 (section 2.7). What nobody knows the outcome of is never sent again: 409 as well.

Nothing that could be repeated is forgotten before its time: a store that is full takes no new key.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import inf
from typing import Final

from broker.core.errors import BrokerError
from broker.policy.idempotency_claim import Claim, KeptAnswer, Key
from broker.policy.refusal import refusal

log = logging.getLogger(__name__)

MOST_WAITING: Final = 16
"""Repeated requests that wait for one; more of them are not a caller that lost patience."""
_COMPLAIN_EVERY: Final = 60.0
_ASK_AGAIN: Final = 5.0
"""Seconds after which an answer that did not come in time may be there."""


@dataclass(frozen=True, slots=True)
class IdempotencySettings:
    """Seconds, counts, bytes."""

    window: float = 600.0
    """Seconds that a key is remembered after its call was over."""
    entries: int = 100_000
    """Keys that are remembered."""
    memory: int = 64 << 20
    """Bytes of all answers."""
    answer_most: int = 1 << 20
    """Bytes of one answer; of a larger one only the key is kept."""
    wait: float = 30.0
    """Seconds that a repeated request waits for the first."""

    def __post_init__(self) -> None:
        if min(self.window, self.entries, self.memory, self.answer_most, self.wait) <= 0:
            raise ValueError("the times, entries and sizes of an idempotency store are more than 0")


class _Running:
    """A call that is under way, and how many wait for it."""

    __slots__ = ("fingerprint", "over", "waiting")

    def __init__(self, fingerprint: bytes) -> None:
        self.fingerprint = fingerprint
        self.over = asyncio.Event()
        self.waiting = 0


@dataclass(slots=True)
class _Entry:
    """A call that is over; without an answer where that is unknown, too large, or made room."""

    fingerprint: bytes
    answer: KeptAnswer | None
    since: float


class IdempotencyStore:
    """Keys of calls that are under way, and of those that are over."""

    def __init__(self, settings: IdempotencySettings, clock: Callable[[], float]) -> None:
        self.memory = 0
        """Bytes of all answers that are kept."""
        self.settings = settings
        self._clock = clock
        self._running: dict[Key, _Running] = {}
        self._over: OrderedDict[Key, _Entry] = OrderedDict()
        self._answered: OrderedDict[Key, _Entry] = OrderedDict()
        self._complained = -inf

    def __len__(self) -> int:
        self._forget(self._clock())
        return len(self._running) + len(self._over)

    def limit(self, settings: IdempotencySettings) -> None:
        """Go by other settings from now on, for the keys that are remembered too."""
        self.settings = settings
        self._make_room()

    def running(self, key: Key) -> bool:
        """Whether a call with this key is under way: who begins another waits."""
        return key in self._running

    async def begin(self, key: Key, fingerprint: bytes, patience: float = inf) -> Claim | KeptAnswer:
        """The claim to make the call, or the answer of the first one.

        `patience`: seconds that the caller waits, besides what the settings say. Raises `BrokerError`:
        `idempotency_key_reused`, `idempotency_key_in_use`, `idempotency_outcome_unknown`, or `overloaded` where no
        key can be remembered.
        """
        running = self._running.get(key)
        if running is not None:
            try:
                async with asyncio.timeout(min(self.settings.wait, patience)):
                    await self._until_over(key, running, fingerprint)
            except TimeoutError:
                raise _still_running() from None
        return self._claim(key, fingerprint)

    async def _until_over(self, key: Key, running: _Running | None, fingerprint: bytes) -> None:
        # Of several that wait, one makes the call if the first was forgotten, and the others wait for that one.
        while running is not None:
            _check(running.fingerprint, fingerprint)
            if running.waiting >= MOST_WAITING:
                raise _still_running()
            running.waiting += 1
            try:
                await running.over.wait()
            finally:
                running.waiting -= 1
            running = self._running.get(key)

    def _claim(self, key: Key, fingerprint: bytes) -> Claim | KeptAnswer:
        count = len(self)
        entry = self._over.get(key)
        if entry is not None:
            _check(entry.fingerprint, fingerprint)
            if entry.answer is None:
                raise BrokerError("idempotency_outcome_unknown")
            return entry.answer
        if count >= self.settings.entries:
            raise self._full()
        running = self._running[key] = _Running(fingerprint)
        return Claim(partial(self._finish, key, running))

    def _full(self) -> BrokerError:
        now = self._clock()
        if now - self._complained >= _COMPLAIN_EVERY:
            self._complained = now
            log.error(
                "%d keys are remembered, so calls with another Idempotency-Key are refused: "
                "more idempotency_keys.entries or a shorter idempotency_keys.window make room",
                self.settings.entries,
                extra={"event": "idempotency_keys_full"},
            )
        oldest = next(iter(self._over.values()), None)
        left = oldest.since + self.settings.window - now if oldest is not None else 1.0
        return refusal("overloaded", left, "No more idempotency keys can be remembered.")

    def _finish(self, key: Key, running: _Running, answer: KeptAnswer | None, remember: bool) -> None:
        del self._running[key]
        if remember:
            if answer is not None and answer.size > min(self.settings.answer_most, self.settings.memory):
                answer = None
            entry = self._over[key] = _Entry(running.fingerprint, answer, self._clock())
            if answer is not None:
                self._answered[key] = entry
                self.memory += answer.size
                self._make_room()
        running.over.set()

    def _make_room(self) -> None:
        while self.memory > self.settings.memory:
            self._drop_answer(next(iter(self._answered)))

    def _drop_answer(self, key: Key) -> None:
        entry = self._answered.pop(key, None)
        if entry is not None and entry.answer is not None:
            self.memory -= entry.answer.size
            entry.answer = None

    def _forget(self, now: float) -> None:
        # All are kept for the same time, so that the first are the oldest.
        while self._over:
            key, entry = next(iter(self._over.items()))
            if entry.since + self.settings.window > now:
                return
            self._drop_answer(key)
            del self._over[key]


def _check(first: bytes, fingerprint: bytes) -> None:
    if first != fingerprint:
        raise BrokerError("idempotency_key_reused", "This Idempotency-Key came with another request before.")


def _still_running() -> BrokerError:
    return refusal(
        "idempotency_key_in_use", _ASK_AGAIN, "The first request with this Idempotency-Key is still under way."
    )
