"""What a circuit breaker is told of a call."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from broker.core.errors import BrokerError
from broker.core.exchange import Exchange
from broker.policy.breaker import Permit
from broker.upstream.answer import Stale

FAILED: Final = frozenset({502, 503, 504})
"""Answers that say that the service is not there. A 500 is the service's own, and may be one caller's fault."""

Tell = Callable[[int], None]


def _nobody(status: int) -> None:
    """There is no breaker."""


@contextmanager
def outcome(permit: Permit | None, exchange: Exchange) -> Iterator[Tell]:
    """Tell the permit how the block went; within it, the answer's status is told."""
    if permit is None:
        yield _nobody
        return
    try:
        yield lambda status: permit.failure() if status in FAILED else permit.success()
    except Stale:
        # The target gave an idle connection up, which says nothing of how it is.
        permit.ignored()
        raise
    except BrokerError:
        permit.failure()
        raise
    except BaseException:
        interruption = exchange.interruption
        if isinstance(interruption, BrokerError) and interruption.code == "upstream_timeout":
            permit.failure()
        else:
            permit.ignored()
        raise
