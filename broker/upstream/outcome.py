"""What those who watch over a target are told of a call."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, Protocol

from broker.core.errors import BrokerError
from broker.core.exchange import Exchange
from broker.upstream.answer import Stale

FAILED: Final = frozenset({502, 503, 504})
"""Answers that say that the service is not there. A 500 is the service's own, and may be one caller's fault."""


class Informed(Protocol):
    """Whoever is told how a call went: a circuit breaker's permit, a target's health."""

    def success(self) -> None:
        """The target did its work."""

    def failure(self) -> None:
        """The target failed."""

    def ignored(self) -> None:
        """The call says nothing about the target."""


Tell = Callable[[int], None]


def _nobody(status: int) -> None:
    """There is nobody to tell."""


@contextmanager
def outcome(informed: Informed | None, exchange: Exchange) -> Iterator[Tell]:
    """Tell how the block went; within it, the answer's status is told."""
    if informed is None:
        yield _nobody
        return
    try:
        yield lambda status: informed.failure() if status in FAILED else informed.success()
    except Stale:
        # The target gave an idle connection up, which says nothing of how it is.
        informed.ignored()
        raise
    except BrokerError:
        informed.failure()
        raise
    except BaseException:
        # A deadline says something about the target only when the caller was not the slow one.
        interruption, whole = exchange.cut_by, not (exchange.original or exchange).body_pending
        if whole and isinstance(interruption, BrokerError) and interruption.code == "upstream_timeout":
            informed.failure()
        else:
            informed.ignored()
        raise
