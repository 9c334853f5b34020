"""What an idempotency store knows of calls that are over: all of them, and what each owner has of that.

Entries go when their time has come, never before. Answers make room for newer ones: within the share of their owner
first, so that nobody pushes out what others may come back for.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from broker.policy.idempotency_claim import KeptAnswer, Key
from broker.policy.idempotency_settings import IdempotencySettings


@dataclass(slots=True)
class Entry:
    """A call that is over; without an answer where that is unknown, too large, or made room."""

    fingerprint: bytes
    answer: KeptAnswer | None
    since: float


@dataclass(slots=True)
class _Owned:
    """Of one owner, oldest first."""

    over: OrderedDict[Key, Entry] = field(default_factory=OrderedDict)
    answered: OrderedDict[Key, Entry] = field(default_factory=OrderedDict)
    memory: int = 0


class Remembered:
    """Calls that are over."""

    def __init__(self, settings: IdempotencySettings, clock: Callable[[], float]) -> None:
        self.settings = settings
        self.memory = 0
        """Bytes of all answers that are kept."""
        self._clock = clock
        self._over: OrderedDict[Key, Entry] = OrderedDict()
        self._answered: OrderedDict[Key, Entry] = OrderedDict()
        self._owned: dict[str, _Owned] = {}

    def __len__(self) -> int:
        return len(self._over)

    def get(self, key: Key) -> Entry | None:
        """What is known of a call."""
        return self._over.get(key)

    def of(self, owner: str) -> int:
        """How many calls of one owner are known."""
        owned = self._owned.get(owner)
        return 0 if owned is None else len(owned.over)

    def next_goes(self, owner: str | None) -> float | None:
        """Seconds until the first entry is forgotten, of all or of one owner; None where there is none."""
        owned = self._owned.get(owner) if owner is not None else None
        over = self._over if owner is None else {} if owned is None else owned.over
        oldest = next(iter(over.values()), None)
        return None if oldest is None else oldest.since + self.settings.window - self._clock()

    def add(self, key: Key, fingerprint: bytes, answer: KeptAnswer | None) -> None:
        """A call is over; an answer that is too large is not kept."""
        if answer is not None and answer.size > min(self.settings.answer_most, self.settings.memory):
            answer = None
        entry = Entry(fingerprint, answer, self._clock())
        owned = self._owned.setdefault(key.caller, _Owned())
        self._over[key] = owned.over[key] = entry
        if answer is not None:
            self._answered[key] = owned.answered[key] = entry
            self.memory += answer.size
            owned.memory += answer.size
            self._make_room(owned)

    def limit(self, settings: IdempotencySettings) -> None:
        """Go by other settings from now on."""
        self.settings = settings
        for owned in list(self._owned.values()):
            self._make_room(owned)

    def _make_room(self, owned: _Owned) -> None:
        while owned.memory > self.settings.memory_each:
            self._drop_answer(next(iter(owned.answered)))
        while self.memory > self.settings.memory:
            self._drop_answer(next(iter(self._answered)))

    def _drop_answer(self, key: Key) -> None:
        entry = self._answered.pop(key, None)
        if entry is not None and entry.answer is not None:
            owned = self._owned[key.caller]
            del owned.answered[key]
            owned.memory -= entry.answer.size
            self.memory -= entry.answer.size
            entry.answer = None

    def forget(self) -> None:
        """Let go of what is too old."""
        # All are kept for the same time, so that the first are the oldest.
        now = self._clock()
        while self._over:
            key, entry = next(iter(self._over.items()))
            if entry.since + self.settings.window > now:
                return
            self._drop_answer(key)
            del self._over[key]
            owned = self._owned[key.caller]
            del owned.over[key]
            if not owned.over:
                del self._owned[key.caller]
