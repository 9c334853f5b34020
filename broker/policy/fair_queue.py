"""A queue of three priorities that are served in proportion to their weights, so that none starves.

Stride scheduling (Waldspurger and Weihl, 1995): each priority has a pass that grows by the inverse of its weight with
every item served, and the smallest pass is next. Among equals, who came first is first.
"""

from collections import OrderedDict
from collections.abc import Hashable, Sequence
from enum import IntEnum
from typing import Final, Generic, TypeVar


class Priority(IntEnum):
    """How important a call is; the smaller number is the more important."""

    HIGH = 0
    MEDIUM = 1
    LOW = 2


WEIGHTS: Final = (8, 4, 1)
"""How many of each priority are served of 13, where all of them wait."""

Item = TypeVar("Item", bound=Hashable)


class FairQueue(Generic[Item]):
    """Items, each waiting once; every operation takes constant time."""

    __slots__ = ("_lines", "_passes", "_strides", "_virtual", "size")

    def __init__(self, weights: tuple[int, int, int] = WEIGHTS) -> None:
        if min(weights) < 1:
            raise ValueError("a weight is at least 1: with 0, its priority would starve")
        self._strides = [1.0 / weight for weight in weights]
        self._passes = [0.0] * len(weights)
        self._lines: list[OrderedDict[Item, None]] = [OrderedDict() for _ in weights]
        self._virtual = 0.0
        """The pass of who was served last: who comes back after a while has saved up nothing."""
        self.size = 0

    def push(self, item: Item, priority: Priority) -> None:
        """Wait behind those of the same priority."""
        line = self._lines[priority]
        if not line:
            self._passes[priority] = max(self._passes[priority], self._virtual)
        line[item] = None
        self.size += 1

    def pop(self) -> Item | None:
        """Whose turn it is, taken out; None when nobody waits."""
        if not self.size:
            return None
        passes, lines = self._passes, self._lines
        chosen = min((at for at in Priority if lines[at]), key=passes.__getitem__)
        self._virtual = passes[chosen]
        passes[chosen] += self._strides[chosen]
        self.size -= 1
        return lines[chosen].popitem(last=False)[0]

    def remove(self, item: Item, priority: Priority) -> bool:
        """Wait no longer; whether it still did."""
        line = self._lines[priority]
        if item not in line:
            return False
        del line[item]
        self.size -= 1
        return True

    def evict(self, priority: Priority, parts: Sequence[int], *, own: bool) -> Item | None:
        """Who came last among the least important that has more than its part of the queue, taken out; else None.

        High is never evicted, nor who would be next and before `priority`: a queue that is too short to have a part for
        everybody still has turns. `own`: `priority` has less than its part, so the more important give way as well.
        """
        for at in (Priority.LOW, Priority.MEDIUM):
            line = self._lines[at]
            gives_way = (at > priority or (own and at != priority)) and len(line) > parts[at]
            if gives_way and not (len(line) == 1 and self._before(at, priority)):
                self.size -= 1
                return line.popitem(last=True)[0]
        return None

    def _before(self, at: Priority, other: Priority) -> bool:
        """Whether its turn would be before that of the other, if both waited."""
        passes = self._passes
        theirs = passes[other] if self._lines[other] else max(passes[other], self._virtual)
        return passes[at] < theirs

    def waiting(self, priority: Priority) -> int:
        """How many of a priority wait."""
        return len(self._lines[priority])
