"""Callers that keep showing wrong proofs wait for their answers, a little longer each time."""

from collections import OrderedDict
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_network
from time import monotonic

from broker.callers.address import client_address
from broker.core.exchange import Exchange


@dataclass(frozen=True, slots=True)
class SlowingSettings:
    """Seconds and counts, as `limits.failed_callers` has them."""

    after: int
    delay: float
    most: float
    forget: float
    addresses: int


class Slowing:
    """Wrong proofs by address; as many addresses are remembered as the settings allow, the latest ones."""

    def __init__(self, settings: SlowingSettings) -> None:
        self._settings = settings
        self._failures: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._failures)

    def note(self, exchange: Exchange) -> float:
        """A wrong proof came: how many seconds its answer waits."""
        settings, now = self._settings, monotonic()
        if not settings.delay:
            return 0.0
        key = _key(exchange)
        count, last = self._failures.pop(key, (0, now))
        count = 1 if now - last > settings.forget else count + 1
        self._failures[key] = count, now
        if len(self._failures) > settings.addresses:
            self._failures.popitem(last=False)
        beyond = count - settings.after
        return 0.0 if beyond <= 0 else min(settings.delay * 2.0 ** min(beyond - 1, 32), settings.most)


def _key(exchange: Exchange) -> str:
    address = client_address(exchange)
    if isinstance(address, IPv6Address):
        # Whoever has one address of a /64 has them all.
        return str(ip_network((int(address) >> 64 << 64, 64)))
    return str(address) if address is not None else exchange.caller_side.peer
