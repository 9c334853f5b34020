"""How much is remembered of calls with an `Idempotency-Key`, and for how long."""

from dataclasses import dataclass
from typing import Final

SHARES: Final = 4
"""The part of everything that one owner of keys may fill: one in so many."""


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

    @property
    def entries_each(self) -> int:
        """Keys of one owner."""
        return max(self.entries // SHARES, 1)

    @property
    def memory_each(self) -> int:
        """Bytes of all answers of one owner: one answer always has room."""
        return max(self.memory // SHARES, min(self.answer_most, self.memory))
