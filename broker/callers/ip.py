"""Callers that are known by their address."""

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network

from broker.callers.address import client_address
from broker.callers.verdict import ADMITTED, Finding, Verdict
from broker.core.exchange import Exchange

# Nothing that a caller could send along would change it: no challenge.
_OUTSIDE = Verdict(Finding.ABSENT, reason="Calls are not taken from this address.")


class IpCheck:
    """Whether the caller's address is in one of the networks."""

    consumed: frozenset[bytes] = frozenset()
    consumed_query: frozenset[bytes] = frozenset()
    guarded: frozenset[bytes] = frozenset()
    cost = 0

    def __init__(self, allow: Sequence[IPv4Network | IPv6Network]) -> None:
        self._allow = tuple(allow)

    def judge(self, exchange: Exchange) -> Verdict:
        address = client_address(exchange)
        if address is None:
            return _OUTSIDE
        return ADMITTED if any(address in network for network in self._allow) else _OUTSIDE

    def close(self) -> None:
        """Nothing goes on."""
