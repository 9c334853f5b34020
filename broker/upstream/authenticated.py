"""The loop that drives credentials: it sends what a flow wants sent, and tells the flow what came back."""

from typing import Any, Final
from urllib.parse import unquote_to_bytes

from broker.core.errors import BrokerError
from broker.core.exchange import Exchange
from broker.core.heads import Framing
from broker.core.injection import Injection
from broker.core.message import Line
from broker.core.plan import RoutePlan
from broker.core.query import without_parameters
from broker.core.secret import SecretUnavailable
from broker.credentials.flow import Await, Call, CredentialUnavailable, Fetch, Flow, Injector, Seen, Send
from broker.upstream.altered import abandoning, with_body, with_length
from broker.upstream.answer import Answer, Stale
from broker.upstream.bodies import SOON, Peeked, discard
from broker.upstream.fetch import fetch
from broker.upstream.leasing import Lease
from broker.upstream.manner import HoldLimits
from broker.upstream.repeat import Repeater
from broker.upstream.send import Upstream, safe_twice, stale_error, take_attempt
from broker.upstream.sent import SentBefore, says_not_sent

_ADDRESSES: Final = frozenset({b"location", b"content-location", b"refresh"})
MOST_SENDS: Final = 6
"""Attempts at one call, above which a flow and a server are taken to misunderstand each other."""


class AuthenticatedUpstream:
    """An upstream that a route calls with a credential."""

    def __init__(self, upstream: Upstream, injector: Injector, limits: HoldLimits) -> None:
        """`limits`: how much of a body is held on to, so that the call can be made again."""
        self.name = upstream.name
        self.upstream = upstream
        self._injector = injector
        self._limits = limits

    async def send(self, exchange: Exchange, plan: RoutePlan) -> Answer:
        """Make the call; raises `BrokerError`."""
        measured = self.upstream.hold_limits is not None
        repeater = await Repeater.of(exchange, self._injector, self._limits, measured=measured)
        try:
            if self._injector.bound:
                return await _OnOneConnection(self.upstream, self._injector, exchange, plan, repeater).run()
            return await _OnAny(self.upstream, self._injector, exchange, plan, repeater).run()
        finally:
            repeater.close()


class _Loop:
    """One call and its flow."""

    _patience: float | None = SOON
    """Seconds in which the rest of an answer that is let go of may come; None: it is waited for."""

    def __init__(
        self, upstream: Upstream, injector: Injector, exchange: Exchange, plan: RoutePlan, repeater: Repeater
    ) -> None:
        self._upstream = upstream
        self._injector = injector
        self._exchange = exchange
        self._plan = plan
        self._repeater = repeater

    async def _make(self, flow: Flow) -> Answer:
        """Send until an answer stands."""
        step = await self._next(flow, None)
        for _ in range(MOST_SENDS):
            if step is None:
                raise _unavailable("the flow sent nothing")
            answer = await self._send(step)
            try:
                standing = await self._judge(flow, step, answer)
            except BaseException:
                answer.cancel()
                raise
            if standing is None:
                if step.query:
                    _keep_to_itself(answer.head.lines, step.query)
                return answer
            self._upstream.stats.count_retry("credential")
            await discard(answer, self._patience)
            step = standing
        raise _unavailable("the upstream goes on asking for credentials")

    async def _judge(self, flow: Flow, step: Send, answer: Answer) -> Send | None:
        """What to send instead; None when the answer stands."""
        head = answer.head
        if head.status not in step.watch:
            flow.close()
            return None
        beginning = b""
        if step.peek and answer.body is not None:
            answer.body = peeked = Peeked(answer.body, step.peek)
            beginning = await peeked.beginning()
        following = await self._next(flow, Seen(head.status, head.lines, beginning))
        if following is None or not self._repeater.possible:
            flow.close()
            return None
        return following

    async def _next(self, flow: Flow, value: Any) -> Send | None:
        """Resume the flow until it wants to send; None when it is done."""
        try:
            step = flow.send(value)
            while not isinstance(step, Send):
                try:
                    result = await self._do(step)
                except BaseException as error:
                    # A flow that others wait for has to know; one that does not care lets it through.
                    step = flow.throw(error)
                else:
                    step = flow.send(result)
        except StopIteration:
            return None
        except (CredentialUnavailable, SecretUnavailable) as error:
            raise _unavailable(str(error)) from None
        return step

    async def _do(self, step: Fetch | Await) -> Any:
        if isinstance(step, Await):
            return await step.what()
        return await fetch(self._upstream, step)

    async def _attempt(self, step: Send) -> Exchange:
        exchange = self._repeater.attempt(without_body=step.without_body)
        transform = self._injector.transform
        if transform is None or exchange.body is None:
            return exchange
        head = exchange.head
        length = head.length if head.framing is Framing.LENGTH else None
        body, length = await transform(exchange.body, head.content_type, length)
        if length is not None and head.framing is Framing.LENGTH:
            return with_length(exchange, body, length)
        return with_body(exchange, body)

    def _call(self) -> Call:
        head = self._exchange.head
        return Call(
            head.method,
            self._plan.upstream_target(head.target),
            self._upstream.pools[0].origin.authority,
            body=self._repeater.body if self._injector.hashes_body else None,
            has_body=self._exchange.body is not None,
            repeatable=self._repeater.repeatable,
        )

    async def _send(self, step: Send) -> Answer:
        raise NotImplementedError


class _OnAny(_Loop):
    """Each attempt takes whatever connection there is."""

    async def run(self) -> Answer:
        return await self._make(self._injector.flow(self._call()))

    async def _send(self, step: Send) -> Answer:
        attempt = await self._attempt(step)
        with abandoning(attempt):
            return await self._upstream.send(attempt, self._plan, _injection(step))


class _Lost(Exception):
    """The connection ended between the steps of a handshake."""


class _OnOneConnection(_Loop):
    """All attempts share a connection: it is what the upstream authenticates."""

    _patience = None
    _lost_call = False
    """Whether a connection ended with the call on it."""

    async def run(self) -> Answer:
        lost = 0
        while True:
            safe = safe_twice(self._exchange, self._plan)
            lease = await self._leased(certain=not safe, fresh=lost > 0)
            try:
                return await self._on(lease)
            except Stale:
                # Nothing but a step of a handshake was lost, or a call that may be made twice, and was not yet.
                if self._carried_call:
                    if not safe or self._lost_call:
                        raise stale_error(self._exchange, repeated=self._lost_call) from None
                    take_attempt(self._exchange)
                    self._lost_call = True
            except _Lost:
                pass
            lost += 1
            if lost > 2:
                raise _unavailable("the upstream ends the connection during the handshake")
            self._upstream.stats.count_retry("credential_connection")

    async def _leased(self, *, certain: bool, fresh: bool) -> Lease:
        upstream, exchange = self._upstream, self._exchange
        key = b"" if upstream.targets is None else upstream.targets.key(exchange.head)
        try:
            return await upstream.lease(certain=certain, fresh=fresh, key=key, exchange=exchange)
        except BrokerError as error:
            if self._lost_call and says_not_sent(error):
                raise SentBefore(error) from None
            raise

    async def _on(self, lease: Lease) -> Answer:
        self._lease = lease
        self._carried_call = False
        lease.pool.reserve(lease.connection)
        call = self._call()
        engine = lease.connection.engine
        call.certificate = None if engine is None else engine.peer_certificate()
        call.connection = lease.connection.notes
        try:
            return await self._make(self._injector.flow(call))
        finally:
            lease.pool.unreserve(lease.connection)

    async def _send(self, step: Send) -> Answer:
        connection = self._lease.connection
        if not connection.free or connection.closing or not connection.reusable:
            raise _Lost
        self._carried_call = self._carried_call or not step.without_body
        attempt = await self._attempt(step)
        with abandoning(attempt):
            return await self._upstream.call(self._lease, attempt, self._plan, _injection(step))


def _keep_to_itself(lines: list[Line], query: bytes) -> None:
    """Take what was added to the query out of addresses that repeat it, as redirects to `/path/` do: it is a secret."""
    names = [unquote_to_bytes(part.partition(b"=")[0]) for part in query.split(b"&")]
    for index, (name, value) in enumerate(lines):
        if name.lower() in _ADDRESSES:
            lines[index] = name, without_parameters(value, names)


def _injection(step: Send) -> Injection:
    return Injection(step.lines, step.query, step.cookie)


def _unavailable(cause: str) -> BrokerError:
    return BrokerError("credentials_unavailable", cause=cause)
