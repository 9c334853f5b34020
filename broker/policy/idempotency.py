"""The same request, sent twice by a caller that did not get its answer, reaches the legacy service once.

draft-ietf-httpapi-idempotency-key-header-07. A repeated key gets the first answer, success or error. One that comes
while the first is under way waits for its answer, and gets a 409 where the wait is too long (section 2.6); one with
another request gets a 422 (section 2.7). What nobody knows the outcome of is never sent again: 409 as well.

Nothing that could be repeated is forgotten before its time: a store that is full takes no new key. One owner of keys
fills a part of it only.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from functools import partial
from math import inf
from typing import Final

from broker.core.errors import BrokerError
from broker.policy.idempotency_claim import Claim, KeptAnswer, Key
from broker.policy.idempotency_memory import Remembered
from broker.policy.idempotency_settings import IdempotencySettings
from broker.policy.refusal import refusal

__all__ = ["MOST_WAITING", "IdempotencySettings", "IdempotencyStore"]

log = logging.getLogger(__name__)

MOST_WAITING: Final = 16
"""Repeated requests that wait for one; more of them are not a caller that lost patience."""
_COMPLAIN_EVERY: Final = 60.0
_ASK_AGAIN: Final = 5.0
"""Seconds after which an answer that did not come in time may be there."""


class _Running:
    """A call that is under way, and how many wait for it."""

    __slots__ = ("fingerprint", "over", "waiting")

    def __init__(self, fingerprint: bytes) -> None:
        self.fingerprint = fingerprint
        self.over = asyncio.Event()
        self.waiting = 0


class IdempotencyStore:
    """Keys of calls that are under way, and of those that are over."""

    def __init__(self, settings: IdempotencySettings, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._running: dict[Key, _Running] = {}
        self._running_of: Counter[str] = Counter()
        """How many of those belong to each owner."""
        self._over = Remembered(settings, clock)
        self._complained = -inf

    def __len__(self) -> int:
        self._over.forget()
        return len(self._running) + len(self._over)

    @property
    def settings(self) -> IdempotencySettings:
        """What it goes by."""
        return self._over.settings

    @property
    def memory(self) -> int:
        """Bytes of all answers that are kept."""
        return self._over.memory

    def limit(self, settings: IdempotencySettings) -> None:
        """Go by other settings from now on, for the keys that are remembered too."""
        self._over.limit(settings)

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
        full = count >= self.settings.entries
        own = self._running_of[key.caller] + self._over.of(key.caller) >= self.settings.entries_each
        if full or own:
            # Of both, what lasts longer: who came back when there is room for others would be refused again.
            left = [self._over.next_goes(owner) for owner, is_full in ((None, full), (key.caller, own)) if is_full]
            raise self._full("the share of one caller, " if own else "", max(each or 1.0 for each in left))
        running = self._running[key] = _Running(fingerprint)
        self._running_of[key.caller] += 1
        return Claim(partial(self._finish, key, running))

    def _full(self, which: str, left: float) -> BrokerError:
        settings, now = self.settings, self._clock()
        if now - self._complained >= _COMPLAIN_EVERY:
            self._complained = now
            log.error(
                "%s%d keys are remembered, so calls with another Idempotency-Key are refused: "
                "more idempotency_keys.entries or a shorter idempotency_keys.window make room",
                which,
                settings.entries_each if which else settings.entries,
                extra={"event": "idempotency_keys_full"},
            )
        return refusal("overloaded", left, "No more idempotency keys can be remembered.")

    def _finish(self, key: Key, running: _Running, answer: KeptAnswer | None, remember: bool) -> None:
        del self._running[key]
        self._running_of[key.caller] -= 1
        if not self._running_of[key.caller]:
            del self._running_of[key.caller]
        if remember:
            self._over.add(key, running.fingerprint, answer)
        running.over.set()


def _check(first: bytes, fingerprint: bytes) -> None:
    if first != fingerprint:
        raise BrokerError("idempotency_key_reused", "This Idempotency-Key came with another request before.")


def _still_running() -> BrokerError:
    return refusal(
        "idempotency_key_in_use", _ASK_AGAIN, "The first request with this Idempotency-Key is still under way."
    )
