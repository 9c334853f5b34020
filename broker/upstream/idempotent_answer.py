"""An answer kept while it goes to its caller, and one that is given again."""

from collections import Counter
from dataclasses import replace
from typing import Final, Protocol

from broker.core.body import Body, BodyBelow
from broker.core.heads import ResponseHead
from broker.core.message import Line
from broker.policy.idempotency_claim import KeptAnswer
from broker.upstream.spool import whole_body

REPLAYED: Final = b"Idempotency-Replayed"
_OF_ITS_OWN: Final = frozenset({b"x-request-id", REPLAYED.lower()})


class Replay:
    """The first answer, given again."""

    def __init__(self, kept: KeptAnswer) -> None:
        lines: list[Line] = [line for line in kept.head.lines if line[0].lower() not in _OF_ITS_OWN]
        self.head: ResponseHead = replace(kept.head, lines=[*lines, (REPLAYED, b"true")])
        self.body: Body | None = whole_body([kept.body])

    def cancel(self) -> None:
        """All of it is there."""


class Collected:
    """Pieces of an answer that may be worth keeping."""

    def __init__(self, room: "Room", owner: str, most: int) -> None:
        """`owner`: whose answer it is. `most`: bytes."""
        self._room = room
        self._owner = owner
        self._most = most
        self._parts: list[bytes] = []
        self._size = 0
        self.whole = True
        """Whether all that came is here still."""

    def add(self, data: bytes) -> None:
        """The next piece; what does not fit makes the rest worthless."""
        if not self.whole:
            return
        if self._size + len(data) > self._most or not self._room.take(self._owner, len(data)):
            self.drop()
            return
        self._size += len(data)
        self._parts.append(data)

    def drop(self) -> None:
        """Nobody wants it."""
        self.whole = False
        self._parts.clear()
        self._room.free(self._owner, self._size)
        self._size = 0

    def take(self) -> bytes:
        """All of it, which is not counted here any more."""
        data = b"".join(self._parts)
        self.drop()
        return data


class Room:
    """Memory for answers that are still coming, in bytes; one owner of keys may take a part of it."""

    def __init__(self, most: int, most_each: int) -> None:
        self.limit(most, most_each)
        self.taken = 0
        self._taken_by: Counter[str] = Counter()

    def limit(self, most: int, most_each: int) -> None:
        """Go by other limits from now on: of all, and of one owner."""
        self._most = most
        self._most_each = most_each

    def take(self, owner: str, size: int) -> bool:
        """Whether there is so much."""
        if self.taken + size > self._most or self._taken_by[owner] + size > self._most_each:
            return False
        self.taken += size
        self._taken_by[owner] += size
        return True

    def free(self, owner: str, size: int) -> None:
        """So much was given back."""
        self.taken -= size
        self._taken_by[owner] -= size
        if not self._taken_by[owner]:
            del self._taken_by[owner]


class Taker(Protocol):
    """Whoever wants the copy of an answer."""

    def ended(self, whole: bool) -> None:
        """Nothing more comes; `whole`: all of it came."""

    def useless(self) -> None:
        """Nobody reads the answer, and it is too large to be kept."""


class Copied(Body):
    """A body that is copied as it goes by, and then only for the copy once its reader has left."""

    __slots__ = ("_collected", "_taker", "_under", "alone")

    def __init__(self, under: Body, collected: Collected, taker: Taker, *, alone: bool) -> None:
        """`alone`: nobody reads it."""
        super().__init__(BodyBelow(under))
        self._under = under
        self._collected = collected
        self._taker: Taker | None = taker
        self.alone = alone

    def start(self) -> None:
        """Let it come."""
        self._under.drain(self)

    def leave(self) -> None:
        """Nobody reads it any more."""
        self.alone = True
        self._under.resume()

    def let_go(self) -> None:
        """The taker knows its end."""
        self._taker = None

    def pause(self) -> None:
        if not self.alone:
            super().pause()

    def write(self, data: bytes) -> None:
        """More of the body below."""
        self._collected.add(data)
        if not self.alone:
            self.feed(data)
        elif not self._collected.whole and self._taker is not None:
            self._taker.useless()

    def finish(self) -> None:
        if not self.alone:
            super().finish()
        self._end(True)

    def fail(self, error: Exception) -> None:
        if not self.alone:
            super().fail(error)
        self._end(False)

    def _end(self, whole: bool) -> None:
        if self._taker is not None:
            self._taker.ended(whole)
