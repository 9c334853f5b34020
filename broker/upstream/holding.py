"""An upstream that takes no chunked bodies: a body without a length is held back, and sent with one."""

from copy import copy
from dataclasses import replace

from broker.core.alarms import AlarmWheel
from broker.core.body import Body
from broker.core.exchange import Exchange
from broker.core.heads import Framing
from broker.core.plan import RoutePlan
from broker.upstream.answer import Answer
from broker.upstream.manner import HoldLimits
from broker.upstream.origin import Origin, UpstreamSettings
from broker.upstream.send import RewriteRequest, Upstream
from broker.upstream.spool import hold


class HoldingUpstream(Upstream):
    """An `Upstream` whose requests always have a length. No connection is taken before the body is there."""

    def __init__(
        self,
        name: str,
        origins: list[Origin],
        settings: UpstreamSettings,
        wheel: AlarmWheel,
        rewrite: RewriteRequest,
        limits: HoldLimits,
    ) -> None:
        super().__init__(name, origins, settings, wheel, rewrite)
        self._limits = limits

    async def send(self, exchange: Exchange, plan: RoutePlan) -> Answer:
        if exchange.head.framing is not Framing.CHUNKED or exchange.body is None:
            return await super().send(exchange, plan)
        body, length = await hold(exchange.body, self._limits)
        try:
            return await super().send(_with_length(exchange, body, length), plan)
        except BaseException:
            body.abandon()
            raise


def _with_length(exchange: Exchange, body: Body, length: int) -> Exchange:
    """The call as it would be had the caller known the length."""
    line = (b"Content-Length", b"%d" % length)
    lines = [line if name.lower() == b"transfer-encoding" else (name, value) for name, value in exchange.head.lines]
    measured = copy(exchange)
    measured.head = replace(exchange.head, framing=Framing.LENGTH, length=length, lines=lines)
    measured.body = body
    return measured
