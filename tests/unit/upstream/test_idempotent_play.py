"""Whatever callers, the service and the network do, and in whichever order: each key is delivered once."""

import asyncio
from collections import Counter
from time import monotonic
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from broker.core.body import Body
from broker.core.errors import BrokerError
from broker.core.exchange import CallerGone, Exchange
from broker.core.heads import Framing, RequestHead, ResponseHead
from broker.core.plan import Reply, RoutePlan
from broker.policy.idempotency import IdempotencySettings
from broker.upstream.idempotent import IdempotentUpstream
from broker.upstream.idempotent_call import IdempotencyKeys
from broker.upstream.manner import HoldLimits
from broker.upstream.spool import whole_body

PIECE = b"some of it "
MADE_OF = 3
"""Pieces of an answer."""


class Still:
    def pause_body(self) -> None: ...

    def resume_body(self) -> None: ...


class Side:
    peer = "203.0.113.7"
    peer_trusted = False


class Given:
    """An answer, whose body comes piece by piece."""

    def __init__(self, status: int) -> None:
        self.head = ResponseHead(status, b"So", False, [(b"X-Odd", b"1")], Framing.CHUNKED)
        self.body: Body | None = Body(Still())

    def cancel(self) -> None:
        if self.body is not None and not self.body.complete:
            self.body.fail(ConnectionResetError())


class Service:
    """Does what it is told, one step at a time, and counts what it may have acted on."""

    name = "service"

    def __init__(self) -> None:
        self.delivered: Counter[bytes] = Counter()
        self.steps: list[asyncio.Future[str]] = []
        self.bodies: list[Body] = []

    async def _told(self) -> str:
        step = asyncio.get_running_loop().create_future()
        self.steps.append(step)
        return await step

    async def send(self, exchange: Exchange, plan: RoutePlan) -> Reply:
        key, delivery = exchange.head.values(b"idempotency-key")[0], exchange.delivery
        if await self._told() == "bad":
            raise BrokerError("upstream_connect_failed")
        delivery.sent()
        self.delivered[key] += 1
        told = await self._told()
        if told == "bad":
            raise BrokerError("upstream_protocol_error")
        given = Given(401 if told == "odd" else 200)
        if told == "odd":
            delivery.refused()
            self.delivered[key] -= 1
        self.bodies.append(given.body)
        return given

    def tell(self, number: int, how: str) -> None:
        open_steps = [step for step in self.steps if not step.done()]
        open_bodies = [body for body in self.bodies if not body.complete and body.error is None]
        if number < len(open_steps):
            open_steps[number].set_result(how)
        elif number - len(open_steps) < len(open_bodies):
            body = open_bodies[number - len(open_steps)]
            if how == "bad":
                body.fail(ConnectionResetError())
            elif body.size < MADE_OF * len(PIECE):
                body.feed(PIECE)
            else:
                body.finish()


class Place:
    def __init__(self) -> None:
        self.left = 0

    def leave(self) -> None:
        self.left += 1


class Taker:
    def __init__(self) -> None:
        self.data = b""
        self.over: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    def write(self, data: bytes) -> None:
        self.data += data

    def finish(self) -> None:
        self.over.done() or self.over.set_result(True)

    def fail(self, error: Exception) -> None:
        self.over.done() or self.over.set_result(False)


class Callers:
    def __init__(self, service: Service) -> None:
        self.keys = IdempotencyKeys(IdempotencySettings(answer_most=1000, memory=5000, wait=1000))
        limits = HoldLimits(1000, 1000)
        base: Any = None
        self.upstream = IdempotentUpstream(service, base, limits, self.keys, lambda exchange: exchange.caller)
        self.plan = RoutePlan("r", "l", self.upstream, lambda _: "", b"/", None, frozenset(), None, None)
        self.calls: list[Exchange] = []
        self.places: list[Place] = []
        self.got: list[tuple[str, bool, bytes]] = []

    def begin(self, number: int) -> None:
        key = "abc"[number % 3]
        body = b"asked" if number < 9 else b"otherwise"
        head = RequestHead(b"POST", b"/x", False, [(b"Idempotency-Key", key.encode())], length=len(body))
        exchange = Exchange(head, whole_body([body]), Side(), "l", monotonic())
        exchange.plan, exchange.caller, exchange.due, exchange.running = self.plan, "c", monotonic() + 1000, True
        place = Place()
        exchange.held.append(place)
        self.places.append(place)
        self.calls.append(exchange)
        exchange.task = asyncio.get_running_loop().create_task(self._serve(exchange, key))

    async def _serve(self, exchange: Exchange, key: str) -> None:
        """As the pipeline does it."""
        try:
            reply = await self.plan.upstream.send(exchange, self.plan)
            taker = Taker()
            reply.body.drain(taker)
            try:
                if await taker.over:
                    self.got.append((key, exchange.replayed, taker.data))
            except asyncio.CancelledError:
                reply.cancel()
                raise
        except (BrokerError, asyncio.CancelledError):
            pass
        finally:
            for place in exchange.held:
                place.leave()

    def interrupt(self, number: int, reason: BaseException) -> None:
        under_way = [exchange for exchange in self.calls if not exchange.task.done()]
        if number < len(under_way):
            under_way[number].interrupt(reason)


async def settle() -> None:
    for _ in range(8):
        await asyncio.sleep(0)


STEP = st.tuples(
    st.sampled_from(["begin", "begin", "good", "good", "good", "bad", "odd", "leave", "late"]), st.integers(0, 11)
)


@settings(max_examples=150, deadline=None)
@given(st.lists(STEP, max_size=50))
def test_the_service_gets_each_key_once_unless_it_was_provably_not_applied(steps: list[tuple[str, int]]) -> None:
    async def play() -> None:
        service = Service()
        callers = Callers(service)
        for action, number in steps:
            if action == "begin":
                callers.begin(number)
            elif action == "leave":
                callers.interrupt(number, CallerGone())
            elif action == "late":
                callers.interrupt(number, BrokerError("upstream_timeout"))
            else:
                service.tell(number % 4, action)
            await settle()
            assert max(service.delivered.values(), default=0) <= 1
        for exchange in callers.calls:
            exchange.interrupt(CallerGone())
        await settle()
        await callers.keys.close()
        await settle()
        assert all(exchange.task.done() for exchange in callers.calls)
        assert [place.left for place in callers.places] == [1] * len(callers.places)
        assert not callers.keys.alone
        assert callers.keys.room.taken == 0
        assert {data for _, _, data in callers.got} <= {PIECE * MADE_OF}
        assert len(callers.keys.store) == sum(service.delivered.values())

    asyncio.run(play())
