"""What becomes of calls that outlast their listener: an answer that tells if the service may have acted on them."""

from typing import Final

from broker.core.errors import BrokerError
from broker.core.exchange import Exchange
from broker.policy.refusal import refusal

GOODBYE: Final = 1.0
"""Seconds in which the answers to calls that were cut off have to leave."""
_ELSEWHERE: Final = 1.0
"""Seconds after which another replica takes the call, or the broker may be up again."""


def too_late(exchange: Exchange) -> BrokerError:
    """Why a call is cut off: `overloaded` where the upstream was not asked, else `drain_timeout`."""
    if exchange.asked:
        return BrokerError("drain_timeout", "This listener stopped before the upstream's answer was complete.")
    return refusal("overloaded", _ELSEWHERE, "This listener is stopping.")
