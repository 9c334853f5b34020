"""A bound on all request bodies together that are held back at a time: many large ones would fill memory and disk."""

from typing import Final

from broker.core.errors import BrokerError
from broker.policy.refusal import refusal

DEFAULT: Final = 4 << 30
_SOON: Final = 5.0
"""Seconds after which a call may find room: others are on their way out, but nobody knows how soon."""

_TOO_LARGE: Final = "The body is larger than all that the broker holds back of request bodies together,"


class HeldBodies:
    """Counts the bytes that are held back in memory and in temporary files; it outlives configurations."""

    __slots__ = ("most", "used")

    def __init__(self, most: int = DEFAULT) -> None:
        self.most = most
        """Bytes; a lower limit refuses what comes, and nothing that is held already."""
        self.used = 0

    def check(self, size: int) -> None:
        """Raises `BrokerError` for a body of so many bytes that never has room, whatever else is held."""
        if size > self.most:
            raise BrokerError("body_too_large", f"{_TOO_LARGE} {self.most} bytes (limits.held_bodies).")

    def share(self) -> "HeldShare":
        """What one body takes of it, nothing yet."""
        return HeldShare(self)


class HeldShare:
    """What one body takes. Whoever holds the body leaves; a share that is forgotten is given back as well."""

    __slots__ = ("_held", "size")

    def __init__(self, held: HeldBodies) -> None:
        self._held = held
        self.size = 0

    def grow(self, size: int) -> None:
        """So many bytes more are held; raises `BrokerError` where there is no room for them, and then takes nothing."""
        held = self._held
        held.check(self.size + size)
        if held.used + size > held.most:
            raise refusal("overloaded", _SOON, "The broker holds back as many request bodies as it may.")
        held.used += size
        self.size += size

    def leave(self) -> None:
        """Nothing of the body is held any more; once more changes nothing."""
        size, self.size = self.size, 0
        self._held.used -= size

    def __del__(self) -> None:
        self.leave()
