"""How many requests an address may make, whoever it claims to be: asked before any proof is looked at.

A proxy writes one of `X-Forwarded-For` and `Forwarded`, and may pass the other on as its caller made it. Which one is
made up nobody can tell, so where they differ the request counts for both: for its sender, which it cannot change, and
for whatever it made up. Such requests have buckets of their own, for each field: so nobody can empty the bucket of an
address by naming it, nor have true addresses forgotten by making up many.
"""

from collections.abc import Callable
from typing import Final

from broker.callers.address import accounts, address_key, named, peer_key
from broker.core.errors import BrokerError
from broker.core.exchange import CallerSide, Exchange
from broker.core.rates import Rate
from broker.policy.rate import TokenBuckets
from broker.policy.refusal import refusal

_DETAIL: Final = "Too many requests come from this address."


class RequestRate:
    """A bucket for each address, others for what unclear requests name; the latest 10,000 of each are remembered."""

    def __init__(self, rate: Rate, clock: Callable[[], float]) -> None:
        self._clear = TokenBuckets(rate, clock)
        self._unclear = TokenBuckets(rate, clock), TokenBuckets(rate, clock)
        """By `X-Forwarded-For` and by `Forwarded`."""

    def refusal(self, exchange: Exchange) -> BrokerError | None:
        """What a request above the rate is told, None for all others."""
        wait = self._take(exchange)
        return refusal("rate_limited", wait, _DETAIL) if wait else None

    def _take(self, exchange: Exchange) -> float:
        side = exchange.caller_side
        if not side.peer_trusted:
            return self._clear.take(peer_key(side.peer))
        plain, standard = (_sender(side, told) for told in accounts(exchange))
        told = {key for key in (plain, standard) if key is not None}
        if not told:
            return 0.0
        if len(told) == 1 and side.peer not in told:
            return self._clear.take(told.pop())
        return self._take_both(plain, standard)

    def _take_both(self, plain: str | None, standard: str | None) -> float:
        """A token of each that is named, or none of either."""
        by_plain, by_standard = self._unclear
        wait = 0.0 if plain is None else by_plain.take(plain)
        if standard is None:
            return wait
        if wait:
            # Who came back when the first has a token would be refused by the other.
            return max(wait, by_standard.wait(standard))
        wait = by_standard.take(standard)
        if wait and plain is not None:
            by_plain.bucket(plain).give_back()
        return wait


def _sender(side: CallerSide, told: list[bytes]) -> str | None:
    """Whose request it is by one account of a trusted peer: the peer's own where the account cannot be read.

    None where only trusted proxies are known, who make requests for many.
    """
    address = named(side, told)
    if address is None:
        return side.peer
    return None if side.trusts(str(address)) else address_key(address)
