"""How many requests an address may make, whoever it claims to be: asked before any proof is looked at."""

from collections.abc import Callable
from typing import Final

from broker.callers.address import address_key, client_address, peer_key
from broker.core.errors import BrokerError
from broker.core.exchange import Exchange
from broker.core.rates import Rate
from broker.policy.rate import TokenBuckets
from broker.policy.refusal import refusal

_DETAIL: Final = "Too many requests come from this address."


class RequestRate:
    """A bucket for each address; the latest 10,000 are remembered."""

    def __init__(self, rate: Rate, clock: Callable[[], float]) -> None:
        self._buckets = TokenBuckets(rate, clock)

    def refusal(self, exchange: Exchange) -> BrokerError | None:
        """What a request above the rate is told, None for all others."""
        key = sender(exchange)
        wait = 0.0 if key is None else self._buckets.take(key)
        return refusal("rate_limited", wait, _DETAIL) if wait else None


def sender(exchange: Exchange) -> str | None:
    """Whose request it is; None where only trusted proxies are known, who make requests for many."""
    side = exchange.caller_side
    if not side.peer_trusted:
        return peer_key(side.peer)
    address = client_address(exchange)
    return None if address is None or side.trusts(str(address)) else address_key(address)
