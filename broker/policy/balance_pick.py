"""Which of several targets: in turn, the least busy, or always the same one for the same key."""

import random as _random
from collections.abc import Callable, Sequence
from hashlib import blake2b
from math import log
from typing import Final, NamedTuple, Protocol

from broker.policy.health import Health


class Member:
    """A target among others; `active` is how many calls it has under way, and who sends them counts."""

    __slots__ = ("active", "current", "health", "name", "priority", "salt", "weight")

    def __init__(self, name: str, weight: int = 1, priority: int = 0, health: Health | None = None) -> None:
        if weight < 1 or priority < 0:
            raise ValueError("a target's weight is at least 1, its priority at least 0")
        self.name = name
        self.weight = weight
        self.priority = priority
        """0 is asked first; the next number only when none of it can be."""
        self.health = health
        self.salt = blake2b(name.encode(), digest_size=32).digest()
        """The name, as a key for hashes."""
        self.active = 0
        self.current = 0.0
        """How long it has waited for its turn, in weights."""

    def effective(self) -> float:
        """Its weight now; 0.0 when it must not be asked."""
        return float(self.weight) if self.health is None else self.weight * self.health.share()


class Fit(NamedTuple):
    """A member that can be asked, and its weight now, which is more than 0."""

    member: Member
    weight: float


class Picker(Protocol):
    """A way to choose; told only of members that can be asked, at least one."""

    def pick(self, fit: Sequence[Fit], key: bytes) -> Member:
        """One of them."""


class RoundRobin:
    """In turn, by weight, and smoothly: of weights 5, 1, 1 the first is not asked five times in a row."""

    def pick(self, fit: Sequence[Fit], key: bytes) -> Member:
        """All step forward by their weights; the foremost is taken, and steps back by the sum."""
        total = 0.0
        best = fit[0].member
        for member, weight in fit:
            member.current += weight
            total += weight
            if member.current > best.current:
                best = member
        best.current -= total
        return best


class LeastRequests:
    """The one with the fewest calls under way for its weight; those that are equal take turns."""

    def __init__(self) -> None:
        self._turn = 0

    def pick(self, fit: Sequence[Fit], key: bytes) -> Member:
        """Looks at all."""
        self._turn += 1
        size = len(fit)
        best = fit[self._turn % size]
        least = _busy(best)
        for step in range(1, size):
            other = fit[(self._turn + step) % size]
            busy = _busy(other)
            if busy < least:
                best, least = other, busy
        return best.member


class PowerOfTwo:
    """The less busy of two at random: nearly as even, and many brokers do not all run to the same idle target."""

    def __init__(self, random: _random.Random | None = None) -> None:
        self._below: Callable[[int], int] = (random or _random.Random()).randrange  # noqa: S311  guards nothing

    def pick(self, fit: Sequence[Fit], key: bytes) -> Member:
        """Looks at two."""
        size = len(fit)
        if size == 1:
            return fit[0].member
        first = self._below(size)
        second = (first + 1 + self._below(size - 1)) % size
        return min(fit[first], fit[second], key=_busy).member


class Rendezvous:
    """The same one for the same key, as long as it can be asked (Thaler and Ravishankar, 1998).

    When a target goes, only its keys move; when it comes back, only they return. What has no key takes turns.
    """

    def __init__(self) -> None:
        self._keyless = RoundRobin()

    def pick(self, fit: Sequence[Fit], key: bytes) -> Member:
        """The highest of scores that depend on the key and one target alone."""
        if not key:
            return self._keyless.pick(fit, key)
        best = max(fit, key=lambda each: _score(key, each))
        return best.member


_SPAN: Final = 1 << 52


def _score(key: bytes, fit: Fit) -> float:
    value = int.from_bytes(blake2b(key, key=fit.member.salt, digest_size=8).digest(), "big") % _SPAN
    # Strictly between 0 and 1, whatever the value: a float holds 53 bits.
    return -fit.weight / log((value + 0.5) / _SPAN)


def _busy(fit: Fit) -> float:
    return (fit.member.active + 1) / fit.weight
