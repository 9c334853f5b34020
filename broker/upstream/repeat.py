"""One call, made as often as its credential needs it."""

from broker.core.body import Body
from broker.core.exchange import Exchange
from broker.core.heads import Framing
from broker.credentials.flow import Injector
from broker.upstream.altered import with_body, with_length
from broker.upstream.manner import HoldLimits
from broker.upstream.spool import Held, hold


class Repeater:
    """Gives the call for each attempt, with a body where that is at hand."""

    def __init__(self, exchange: Exchange, held: Held | None, *, measured: bool = False) -> None:
        """`measured`: a body that was held is sent with its length, for upstreams that take no chunks."""
        self._measured = measured
        self._exchange = exchange
        self._held = held
        self._begun = False

    @classmethod
    async def of(
        cls, exchange: Exchange, injector: Injector, limits: HoldLimits, *, measured: bool = False
    ) -> "Repeater":
        """Hold on to the body where it is small, or where the credential expects late challenges.

        Raises `BrokerError` when a body without a length turns out larger than `limits`.
        """
        return cls(exchange, await _held(exchange, limits, challenged=injector.holds_body), measured=measured)

    @classmethod
    async def holding(cls, exchange: Exchange, limits: HoldLimits, *, wanted: bool) -> "Repeater":
        """Hold on to the body where another attempt may be made with it; raises as `of` does."""
        return cls(exchange, await _held(exchange, limits, challenged=False) if wanted else None)

    @property
    def repeatable(self) -> bool:
        """Whether the call can be made more than once."""
        return self._exchange.body is None or self._held is not None

    @property
    def possible(self) -> bool:
        """Whether the call can be made now: for the first time, or again."""
        return self.repeatable or not self._begun

    @property
    def body(self) -> bytes | None:
        """All of the body, where memory holds it."""
        if self._exchange.body is None:
            return b""
        return None if self._held is None else self._held.memory

    def attempt(self, *, without_body: bool) -> Exchange:
        """The call, to be sent; `without_body` for a step of a handshake."""
        if without_body:
            step = with_length(self._exchange, None, 0)
            if not _empty(self._exchange.body):
                # What leaves is not the call.
                step.delivery = None
            return step
        self._begun = True
        if self._held is None:
            return self._exchange
        if self._measured:
            return with_length(self._exchange, self._held.body(), self._held.size)
        return with_body(self._exchange, self._held.body())

    def close(self) -> None:
        """The call is over."""
        if self._held is not None:
            self._held.close()


def _empty(body: Body | None) -> bool:
    return body is None or (body.complete and not body.size)


async def _held(exchange: Exchange, limits: HoldLimits, *, challenged: bool) -> Held | None:
    body, head = exchange.body, exchange.head
    if body is None:
        return None
    if head.framing is Framing.LENGTH and head.length > (limits.total if challenged else limits.memory):
        # Too large to hold on to: it streams, and goes out once.
        return None
    if head.framing is Framing.LENGTH or challenged or body.complete:
        return await hold(body, limits, head.length)
    return None
