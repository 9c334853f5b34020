"""An upstream that takes no chunked bodies: a body without a length is held back, and sent with one."""

from broker.core.alarms import AlarmWheel
from broker.core.exchange import Exchange
from broker.core.heads import Framing
from broker.core.injection import NO_INJECTION, Injection
from broker.core.plan import RoutePlan
from broker.upstream.altered import abandoning, with_length
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
        self._limits = self.hold_limits = limits

    async def send(self, exchange: Exchange, plan: RoutePlan, injection: Injection = NO_INJECTION) -> Answer:
        if exchange.head.framing is not Framing.CHUNKED or exchange.body is None:
            return await super().send(exchange, plan, injection)
        held = await hold(exchange.body, self._limits)
        try:
            measured = with_length(exchange, held.body(), held.size)
            with abandoning(measured):
                return await super().send(measured, plan, injection)
        finally:
            held.close()
