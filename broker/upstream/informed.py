"""Whoever is told how a call went: a circuit breaker's permit, a target's health."""

from typing import Protocol

from broker.core.errors import BrokerError, Source


class Informed(Protocol):
    """Told once of each call."""

    def success(self) -> None:
        """The target did its work."""

    def failure(self) -> None:
        """The target failed."""

    def ignored(self) -> None:
        """The call says nothing about the target."""


def tell_failure(informed: Informed, error: Exception) -> None:
    """A call failed; where that was not the target's doing, it says nothing."""
    if isinstance(error, BrokerError) and error.kind.source is Source.UPSTREAM:
        informed.failure()
    else:
        informed.ignored()
