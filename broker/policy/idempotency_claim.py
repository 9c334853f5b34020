"""What an idempotency store knows of a key: who works on it, and how that went."""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from types import TracebackType
from typing import Final, NamedTuple

OVERHEAD: Final = 512
"""Bytes that an answer takes besides what it says."""


class Key(NamedTuple):
    """A caller's key means nothing for another caller, nor on another route."""

    route: str
    caller: str
    key: str


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """A whole answer, as it went to the caller."""

    status: int
    lines: tuple[tuple[bytes, bytes], ...] = field(repr=False)
    body: bytes = field(repr=False)

    @property
    def size(self) -> int:
        """Bytes in memory, about."""
        return OVERHEAD + len(self.body) + sum(len(name) + len(value) + 128 for name, value in self.lines)


class Trouble(Enum):
    """Why a repeated key has no answer."""

    REUSED = "reused"
    """The key came with another request before."""
    RUNNING = "running"
    """The first request is under way still."""
    UNKNOWN = "unknown"
    """The first request was sent, and its answer is not at hand."""


class KeyConflict(Exception):
    """A repeated key that must not be forwarded; the text may be shown to the caller."""

    def __init__(self, trouble: Trouble, detail: str) -> None:
        super().__init__(detail)
        self.trouble = trouble
        self.status = 422 if trouble is Trouble.REUSED else 409
        """Of the answer, as section 2.7 of the draft has it."""
        self.detail = detail


class StoreFull(Exception):
    """No key can be remembered; `seconds` until one will be forgotten, about."""

    def __init__(self, seconds: float) -> None:
        super().__init__("no more idempotency keys can be remembered")
        self.seconds = seconds


class Claim:
    """The duty to make the call of a key, and to say how it went; of several outcomes, the first counts.

    As a context manager it gives up what has no outcome yet.
    """

    __slots__ = ("_done", "_sent")

    def __init__(self, done: Callable[[KeptAnswer | None, bool], None]) -> None:
        self._done: Callable[[KeptAnswer | None, bool], None] | None = done
        self._sent = False

    def sent(self) -> None:
        """A byte of the request has left: the upstream may act on it."""
        self._sent = True

    def keep(self, answer: KeptAnswer) -> None:
        """The upstream's whole answer, success or error."""
        self._finish(answer, True)

    def failed(self, answer: KeptAnswer) -> None:
        """The broker's own answer to a failed call: forgotten where nothing was sent, so that it may be made again."""
        self._finish(answer, self._sent)

    def give_up(self) -> None:
        """There is no whole answer: forgotten where nothing was sent; else nobody knows, and it is not sent again."""
        self._finish(None, self._sent)

    def _finish(self, answer: KeptAnswer | None, remember: bool) -> None:
        done, self._done = self._done, None
        if done is not None:
            done(answer, remember)

    def __enter__(self) -> "Claim":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.give_up()

    def __del__(self) -> None:
        # Dropped without a word: who waits would wait in vain.
        self.give_up()
