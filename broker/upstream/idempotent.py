"""`Idempotency-Key`: a request that comes twice is made once, and answered twice.

draft-ietf-httpapi-idempotency-key-header-07. The key belongs to the route and its caller. What was sent and has no
whole answer is never sent again; of what provably was not sent, the key is forgotten.
"""

from collections.abc import Callable, Coroutine
from time import monotonic
from typing import Any, Final

from broker.core.errors import BrokerError
from broker.core.exchange import Exchange
from broker.core.plan import Reply, RoutePlan, UpstreamPort
from broker.policy.idempotency_claim import Claim, KeptAnswer, Key
from broker.policy.idempotency_key import Fingerprint, parse_idempotency_key
from broker.policy.refusal import refusal
from broker.upstream.bodies import AwaitedSink
from broker.upstream.idempotent_answer import Replay
from broker.upstream.idempotent_call import IdempotencyKeys, KeyedCall
from broker.upstream.manner import HoldLimits
from broker.upstream.send import SAFE, Upstream
from broker.upstream.spool import Held, hold

_FIELD: Final = b"idempotency-key"
_PROOFS: Final = (b"authorization", b"cookie")
"""What callers may prove to the service itself: nobody gets an answer without what the first one showed."""
_MARGIN: Final = 0.5
"""Seconds before the deadline of a call at which it is told that the first one is under way still."""


class IdempotentUpstream:
    """An upstream that is asked once for each key."""

    def __init__(
        self,
        inner: UpstreamPort,
        base: Upstream,
        limits: HoldLimits,
        keys: IdempotencyKeys,
        whose: Callable[[Exchange], str],
    ) -> None:
        """`limits`: of the bodies that are held back. `whose`: the one whom a call's key belongs to."""
        self.name = inner.name
        self.upstream = base
        self.inner = inner
        self._limits = limits
        self._keys = keys
        self._whose = whose

    def send(self, exchange: Exchange, plan: RoutePlan) -> Coroutine[Any, Any, Reply]:
        """Make the call, or give the answer of the first one with its key; raises `BrokerError`."""
        head = exchange.head
        values = None if head.method in SAFE else head.values(_FIELD)
        return self._once(exchange, plan, values) if values else self.inner.send(exchange, plan)

    async def _once(self, exchange: Exchange, plan: RoutePlan, values: list[bytes]) -> Reply:
        try:
            key = Key(plan.name, self._whose(exchange), parse_idempotency_key(values))
        except ValueError as error:
            raise BrokerError("bad_request", str(error)) from None
        held = await self._held(exchange)
        try:
            begun = await self._begin(exchange, key, await _fingerprint(exchange, plan, held))
            if isinstance(begun, KeptAnswer):
                exchange.replayed = True
                return Replay(begun)
            body = None if held is None else held.body()
            return await KeyedCall(self._keys, key.caller, begun, exchange, body).answer(self.inner, plan)
        finally:
            if held is not None:
                held.close()

    async def _held(self, exchange: Exchange) -> Held | None:
        if exchange.body is None:
            return None
        if exchange.head.length > self._limits.total:
            raise BrokerError("body_too_large", "The body is larger than what is compared for an Idempotency-Key.")
        return await hold(exchange.body, self._limits, exchange.head.length)

    async def _begin(self, exchange: Exchange, key: Key, fingerprint: bytes) -> Claim | KeptAnswer:
        store = self._keys.store
        gave_back = store.running(key) and bool(exchange.held)
        if gave_back:
            # The first one may wait for the very places that this one has.
            exchange.give_back()
        begun = await store.begin(key, fingerprint, exchange.due - monotonic() - _MARGIN)
        if gave_back and isinstance(begun, Claim):
            begun.give_up()
            raise refusal("overloaded", 1.0, "The first request with this Idempotency-Key was not sent.")
        return begun


async def _fingerprint(exchange: Exchange, plan: RoutePlan, held: Held | None) -> bytes:
    head = exchange.head
    proofs = (b"" if name in plan.dropped else b"\0".join(head.values(name)) for name in _PROOFS)
    place = (head.authority.lower(), plan.upstream_target(head.target))
    asked = (head.method, *place, head.content_type, head.soap_action or b"")
    fingerprint = Fingerprint((*asked, *proofs))
    if held is not None:
        await _add(held, fingerprint)
    return fingerprint.digest()


async def _add(held: Held, fingerprint: Fingerprint) -> None:
    whole = held.memory
    if whole is not None:
        fingerprint.add(whole)
        return
    body, reader = held.body(), _Reader(fingerprint)
    body.drain(reader)
    try:
        await reader.ended
    finally:
        body.abandon()


class _Reader(AwaitedSink):
    """Takes a body for its fingerprint alone."""

    def __init__(self, fingerprint: Fingerprint) -> None:
        super().__init__()
        self.write = fingerprint.add
