"""What an idempotency store knows of a key: who works on it, and how that went."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from broker.core.heads import ResponseHead

OVERHEAD: Final = 512
"""Bytes that an answer takes besides what it says."""


class Key(NamedTuple):
    """A caller's key means nothing for another caller, nor on another route."""

    route: str
    caller: str
    key: str


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """A whole answer, as the upstream gave it."""

    head: ResponseHead
    body: bytes = field(repr=False)

    @property
    def size(self) -> int:
        """Bytes in memory, about."""
        return OVERHEAD + len(self.body) + sum(len(name) + len(value) + 128 for name, value in self.head.lines)


class Claim:
    """The duty to make the call of a key, and to say how it went; of several outcomes, the first counts."""

    __slots__ = ("_done", "_doubts")

    def __init__(self, done: Callable[[KeptAnswer | None, bool], None]) -> None:
        self._done: Callable[[KeptAnswer | None, bool], None] | None = done
        self._doubts = 0

    @property
    def in_doubt(self) -> bool:
        """Whether the upstream may have acted on the call."""
        return self._doubts > 0

    def sent(self) -> None:
        """A byte of an attempt leaves: the upstream may act on it."""
        self._doubts += 1

    def refused(self) -> None:
        """That attempt was answered with 401: it has not been applied (RFC 9110 section 15.5.2)."""
        self._doubts -= 1

    def keep(self, answer: KeptAnswer) -> None:
        """The upstream's whole answer, success or error."""
        self._finish(answer)

    def give_up(self) -> None:
        """There is no whole answer: forgotten where nothing was sent; else nobody knows, and it is not sent again."""
        self._finish(None)

    def _finish(self, answer: KeptAnswer | None) -> None:
        done, self._done = self._done, None
        if done is not None:
            done(answer, self.in_doubt)

    def __del__(self) -> None:
        # Dropped without a word: who waits would wait in vain.
        self.give_up()
