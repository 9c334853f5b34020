"""What those who want to know how the service copes are told of an attempt at a call.

Each attempt is told by itself: a retry's wait, the caller's upload and the queue are no time of the service. Where a
caller has left, what was begun goes on in the service, and is told when it is over: without them only calls that were
quick enough for their callers would count.
"""

from typing import Final

from broker.core.errors import BrokerError

OVERLOADED: Final = frozenset({429, 503, 504})
"""Answers that say that there is too much to do; 504 is a timeout of a gateway before the service."""
_ASKS_FOR_CREDENTIALS: Final = frozenset({401, 407})


def says_how_long(status: int) -> bool:
    """Whether an answer tells how long the work takes, or that it is too much.

    A step of a handshake is no work, and what fails may fail quickly.
    """
    return status in OVERLOADED or (status < 500 and status not in _ASKS_FOR_CREDENTIALS)


def took_too_long(error: Exception) -> bool:
    """Whether a failure says that the service did not answer in time."""
    return isinstance(error, BrokerError) and error.code == "upstream_timeout"
