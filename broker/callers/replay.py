"""Signatures that were taken already, for as long as they could be shown again."""

from collections import OrderedDict
from time import monotonic
from typing import Final

MOST: Final = 100_000
"""Signatures remembered; only who holds the secret can fill the memory."""


class Replays:
    """Remembers each signature for the same time, so that the oldest are the first to go."""

    def __init__(self, seconds: float, most: int = MOST) -> None:
        self._seconds = seconds
        self._most = most
        self._until: OrderedDict[bytes, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._until)

    def stretch(self, seconds: float) -> None:
        """Remember for so long from now on, where that is longer."""
        self._seconds = max(self._seconds, seconds)

    @property
    def full(self) -> bool:
        """Whether nothing can be remembered any more: whoever forgot instead would let replays through."""
        self._forget(monotonic())
        return len(self._until) >= self._most

    def seen(self, signature: bytes) -> bool:
        """Whether it came before; from now on, it did."""
        now = monotonic()
        self._forget(now)
        if signature in self._until:
            return True
        self._until[signature] = now + self._seconds
        return False

    def _forget(self, now: float) -> None:
        until = self._until
        while until:
            oldest = next(iter(until))
            if until[oldest] > now:
                return
            del until[oldest]
