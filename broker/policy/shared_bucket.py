"""Limits that replicas share, as the gate sees them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from broker.core.rates import Rate


@dataclass(frozen=True, slots=True)
class SharedBucket:
    """A bucket that all replicas take from."""

    name: str
    """What it is of, such as `upstream:warehouse`."""
    rate: Rate


@dataclass(frozen=True, slots=True)
class Asked:
    """A token that a call asks for; see `Meter`."""

    bucket: SharedBucket
    kept: float = 0.0
    """Tokens that have to be left."""
    share: SharedBucket | None = None
    """Where its token may come from, where as many are not left: then the bucket may go into debt by one."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A bucket had no token for the call; of several, the one that will have one last."""

    index: int
    """Its place among those that were asked for."""
    wait: float
    """Seconds until it would have one."""


class StoreAway(Exception):
    """The store cannot be asked now; the message says why, and holds no secret."""


class SharedLimits(Protocol):
    """Where replicas keep the limits that they share."""

    fallbacks: int
    """Calls that were decided without it."""

    @property
    def up(self) -> bool:
        """Whether limits are shared now."""

    async def take(self, asked: Sequence[Asked]) -> "list[SharedBucket] | Refused":
        """Take a token from each bucket, or from none; the buckets and shares that were charged.

        Raises `StoreAway`, at once while the store is known to be away and after the store's timeout otherwise. A call
        that is cancelled meanwhile takes nothing.
        """

    def give_back(self, buckets: Sequence[SharedBucket]) -> None:
        """Undo a `take`, without waiting for it and as far as it can be done."""

    async def begin(self) -> None:
        """Look for the store, now and from now on; returns after the first attempt, whatever came of it."""

    async def close(self) -> None:
        """Let go of it."""
