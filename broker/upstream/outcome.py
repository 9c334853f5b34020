"""What those who watch over a target are told of a call."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from broker.core.errors import BrokerError
from broker.core.exchange import Exchange
from broker.upstream.answer import Answer, Stale
from broker.upstream.informed import Informed, tell_failure

FAILED: Final = frozenset({502, 503, 504})
"""Answers that say that the service is not there. A 500 is the service's own, and may be one caller's fault."""


Tell = Callable[[Answer], None]


def past_deadline(exchange: Exchange) -> bool:
    """Whether the call was cut off by its own deadline, and not because its caller left."""
    reason = exchange.cut_by
    return isinstance(reason, BrokerError) and reason.code == "upstream_timeout"


@contextmanager
def outcome(informed: Informed, exchange: Exchange) -> Iterator[Tell]:
    """Tell how the block went; within it, the answer is told, whose body may come for long after."""
    try:
        yield lambda answer: informed.failure() if answer.head.status in FAILED else answer.tell_end(informed)
    except Stale:
        # The target gave an idle connection up, which says nothing of how it is.
        informed.ignored()
        raise
    except BrokerError as error:
        tell_failure(informed, error)
        raise
    except BaseException:
        # A deadline says something about the target only when the caller was not the slow one.
        if past_deadline(exchange) and not (exchange.original or exchange).body_pending:
            informed.failure()
        else:
            informed.ignored()
        raise
