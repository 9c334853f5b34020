"""Calls with an `Idempotency-Key` that go on without their caller."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from typing import Final, Protocol

from broker.policy.idempotency_settings import SHARES

MOST_ALONE: Final = 100
"""Calls without a caller, at a time: nothing else bounds them, since they need no connection of hop 1."""


class KeptOn(Protocol):
    """Such a call."""

    @property
    def owner(self) -> str:
        """Whose key it has."""

    @property
    def making(self) -> "asyncio.Task[None] | None":
        """The task that makes it, until its answer begins."""

    def cut(self, reason: BaseException | None) -> "asyncio.Task[None] | None":
        """End it; gives its task, where that is not over."""


class Alone:
    """All of them; one owner of keys may have a part of the places."""

    def __init__(self, most: int = MOST_ALONE) -> None:
        self.most = most
        self._calls: set[KeptOn] = set()
        self._of: Counter[str] = Counter()
        self._none = asyncio.Event()
        self._none.set()

    def __len__(self) -> int:
        return len(self._calls)

    def __iter__(self) -> Iterator[KeptOn]:
        return iter(list(self._calls))

    def __contains__(self, call: object) -> bool:
        return call in self._calls

    def room_for(self, owner: str) -> bool:
        """Whether one more may go on."""
        return len(self._calls) < self.most and self._of[owner] < self.most // SHARES

    def add(self, call: KeptOn) -> None:
        """Its caller has left."""
        self._calls.add(call)
        self._of[call.owner] += 1
        self._none.clear()

    def discard(self, call: KeptOn) -> None:
        """It is over."""
        if call not in self._calls:
            return
        self._calls.remove(call)
        self._of[call.owner] -= 1
        if not self._of[call.owner]:
            del self._of[call.owner]
        if not self._calls:
            self._none.set()

    def tasks(self) -> "list[asyncio.Task[None]]":
        """Those that make them."""
        return [task for call in self._calls if (task := call.making) is not None]

    async def over(self) -> None:
        """Wait until there is none."""
        await self._none.wait()
