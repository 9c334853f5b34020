"""A caller's connection: the server side of HTTP/1.1 (RFC 9112), one request after the other, none too slow."""

import asyncio
from collections import deque
from enum import Enum
from math import inf
from time import monotonic
from typing import Protocol

from broker.config.listeners import ListenerTimeouts
from broker.core.alarms import Alarm, AlarmWheel
from broker.core.body import Body
from broker.core.errors import BrokerError
from broker.core.exchange import CallerGone, Closable, Exchange
from broker.core.heads import Framing, RequestHead
from broker.http1.errors import ProtocolError
from broker.http1.limits import HeadLimits
from broker.http1.request_parser import RequestParser
from broker.http1.writer import BodyWriter
from broker.listener.certificates import ServerEngine
from broker.listener.timeouts import RATE_WINDOW, Deadlines
from broker.tls.errors import TlsFailure
from broker.tls.stream import SecureStream

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
LINGER = 2.0
"""Seconds in which a refused caller may still send, so that a reset does not destroy the answer on its way."""


class Phase(Enum):
    """What the connection waits for."""

    HANDSHAKE = "handshake"
    IDLE = "idle"
    HEAD = "head"
    CALL = "call"
    LINGER = "linger"


class Host(Protocol):
    """The listener, as its connections see it."""

    name: str
    wheel: AlarmWheel
    limits: HeadLimits
    body_rate: int
    draining: bool

    def serve(self, exchange: Exchange) -> None:
        """Start serving a call; the pipeline ends it with `exchange_done`."""

    def trusts(self, peer: str) -> bool:
        """Whether a peer is a trusted proxy."""

    def gone(self, connection: "ServerConnection") -> None:
        """A connection ended."""


class ServerConnection(SecureStream):
    """One caller's connection."""

    __slots__ = (
        "_alarm",
        "_current",
        "_deadlines",
        "_host",
        "_last",
        "_loop",
        "_parser",
        "_phase",
        "_queue",
        "_receiving",
        "_refusal",
        "_writer",
        "peer",
        "peer_trusted",
        "pins",
        "tls",
    )

    def __init__(self, host: Host, engine: ServerEngine | None, deadlines: Deadlines) -> None:
        super().__init__(engine)
        self._host = host
        self._loop = asyncio.get_running_loop()
        self._parser = RequestParser(self, host.limits)
        self._alarm = Alarm(self._ring)
        self._deadlines = deadlines
        self._phase = Phase.HANDSHAKE
        self._last = False
        self._current: Exchange | None = None
        self._receiving: Exchange | None = None
        self._queue: deque[Exchange] = deque()
        self._refusal: BrokerError | None = None
        self._writer: BodyWriter | None = None
        self.pins: dict[str, Closable] | None = None
        self.peer = ""
        self.peer_trusted = False
        self.tls = engine is not None

    # The stream below.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        address = transport.get_extra_info("peername")
        self.peer = address[0] if address else ""
        self.peer_trusted = self._host.trusts(self.peer)
        self._wait(Phase.HANDSHAKE, self._deadlines.settings.handshake)
        super().connection_made(transport)

    def established(self) -> None:
        engine = self._engine
        if isinstance(engine, ServerEngine) and engine.sni_unknown:
            self._refusal = BrokerError("misdirected_request", "No host of that name is served here.")
        self._wait(Phase.IDLE, self._deadlines.settings.idle)

    def received(self, data: bytes) -> None:
        if self._phase is Phase.LINGER:
            return
        try:
            self._parser.feed(data)
        except ProtocolError as error:
            self._reject(BrokerError(error.code, f"{error.reason[:1].upper()}{error.reason[1:]}."))
            return
        if self._phase is Phase.IDLE and not self._parser.idle:
            self._wait(Phase.HEAD, self._deadlines.settings.head)

    def ended(self, clean: bool) -> None:
        if self._current is not None:
            self._current.interrupt(CallerGone())
            self.abort()
        else:
            self.close()

    def tls_failed(self, failure: TlsFailure) -> None:
        if self._current is not None:
            self._current.interrupt(CallerGone())

    def lost(self, error: Exception | None) -> None:
        self._alarm.end()
        self._queue.clear()
        receiving = self._receiving
        if receiving is not None and receiving.body is not None:
            receiving.body.fail(CallerGone())
        if self._current is not None:
            self._current.interrupt(CallerGone())
        for kept in (self.pins or {}).values():
            kept.close()
        self._host.gone(self)

    def writable(self) -> None:
        self._deadlines.write = inf
        if self._writer is not None:
            self._writer.writable()

    def pause_writing(self) -> None:
        super().pause_writing()
        deadlines = self._deadlines
        deadlines.write_left = self.waiting
        self._arm("write", deadlines.settings.write)

    @property
    def call(self) -> "asyncio.Task[None] | None":
        """The task that serves the call under way."""
        return self._current.task if self._current is not None else None

    # What the parser tells.

    def on_request(self, head: RequestHead) -> None:
        has_body = head.framing is Framing.CHUNKED or head.length > 0
        exchange = Exchange(head, Body(self) if has_body else None, self, self._host.name, monotonic())
        exchange.refusal = self._refusal
        self._receiving = exchange
        if has_body:
            self._expect_body()
        if self._current is None and not self._queue:
            self._begin(exchange)
        else:
            self._queue.append(exchange)
            self.pause_body()

    def on_request_data(self, data: bytes) -> None:
        exchange = self._receiving
        if exchange is None or exchange.body is None:
            return
        if exchange is self._current:
            self._deadlines.body = monotonic() + self._deadlines.settings.body
        plan = exchange.plan
        if plan is not None and plan.max_body is not None and exchange.body.size + len(data) > plan.max_body:
            error = BrokerError("body_too_large")
            exchange.body.fail(error)
            exchange.interrupt(error)
            return
        exchange.body.feed(data)

    def on_request_end(self) -> None:
        exchange, self._receiving = self._receiving, None
        self._deadlines.body = self._deadlines.rate = inf
        if exchange is not None and exchange.body is not None:
            exchange.body.finish()

    # One call after the other.

    def _begin(self, exchange: Exchange) -> None:
        self._current = exchange
        self._phase = Phase.CALL
        self._deadlines.phase = inf
        self._host.serve(exchange)

    def _begin_next(self, exchange: Exchange) -> None:
        """A pipelined request has its turn: some of its body may not have been read yet."""
        if exchange is self._receiving:
            self._expect_body()
        if not self._queue and exchange.refusal is None:
            self.resume_reading()
        self._begin(exchange)

    def _reject(self, error: BrokerError) -> None:
        """The bytes are no HTTP: nothing behind them can be trusted, so this answer is the last."""
        receiving = self._receiving
        if receiving is not None:
            self._receiving = None
            if receiving.body is not None:
                receiving.body.fail(error)
            if receiving is self._current:
                receiving.close = True
                receiving.interrupt(error)
                return
            receiving.refusal = error
            return
        head = RequestHead(b"-", b"", http10=False, lines=[])
        exchange = Exchange(head, None, self, self._host.name, monotonic())
        exchange.refusal = error
        exchange.close = True
        self.pause_reading()
        if self._current is None:
            self._begin(exchange)
        else:
            self._queue.append(exchange)

    def exchange_done(self, exchange: Exchange) -> None:
        """The pipeline is done with the current call: go on with the next, wait, or close."""
        self._current = None
        self._writer = None
        self._deadlines.end_call()
        if self.closing:
            return
        if exchange.close or exchange.body_pending or (self.last and not self._queue):
            self._finish(exchange)
            return
        if self._queue:
            self._begin_next(self._queue.popleft())
            return
        self.resume_reading()
        if self._parser.idle:
            self._wait(Phase.IDLE, self._deadlines.settings.idle)
        else:
            self._wait(Phase.HEAD, self._deadlines.settings.head)

    def _finish(self, exchange: Exchange) -> None:
        self._queue.clear()
        if exchange.body_pending or exchange.refusal is not None:
            self._receiving = None
            self.close_sending()
            self.resume_reading()
            self._wait(Phase.LINGER, LINGER)
        else:
            self.close()
            self._wait(Phase.LINGER, self._deadlines.settings.write)

    def drain(self) -> None:
        """Close if nothing is under way; otherwise the call under way is the last."""
        if self._current is None and self._phase is not Phase.HEAD:
            self.close()

    def reconfigured(self, timeouts: ListenerTimeouts, *, ends: bool) -> None:
        """The listener has other settings; `ends`: the next answer is the last of this connection."""
        self._deadlines.settings = timeouts
        trusted = self._host.trusts(self.peer)
        if self._current is None:
            self.peer_trusted = trusted
        # A call under way is judged by one and the same rule from its begin to its end.
        self._last = self._last or ends or trusted != self.peer_trusted

    # What the pipeline calls.

    @property
    def peer_certificate(self) -> bytes | None:
        return self._engine.peer_certificate() if self._engine is not None else None

    def trusts(self, address: str) -> bool:
        return self._host.trusts(address)

    @property
    def last(self) -> bool:
        return self._host.draining or self._last

    def pin(self, name: str, what: Closable) -> None:
        pins = self.pins = self.pins or {}
        before = pins.get(name)
        pins[name] = what
        if before is not None:
            before.close()

    def send_continue(self) -> None:
        self.send(CONTINUE)

    def reply(self, exchange: Exchange, head: bytes, body: bytes) -> None:
        exchange.responded = True
        exchange.bytes_out = len(body)
        self.send(head + body if body else head)

    def reply_stream(self, exchange: Exchange, head: bytes, body: Body, chunked: bool) -> "asyncio.Future[None]":
        exchange.responded = True
        sent: asyncio.Future[None] = self._loop.create_future()

        def done() -> None:
            exchange.bytes_out = body.size
            if not sent.done():
                sent.set_result(None)

        def broken(error: Exception) -> None:
            exchange.bytes_out = body.size
            if not sent.done():
                sent.set_exception(error)

        self._writer = BodyWriter(self, body, chunked=chunked, done=done, broken=broken)
        self.send(head)
        body.drain(self._writer)
        return sent

    def set_deadline(self, exchange: Exchange, due: float) -> None:
        self._deadlines.call = due
        self._watch(due)

    def pause_body(self) -> None:
        self._deadlines.body = self._deadlines.rate = inf
        self.pause_reading()

    def resume_body(self) -> None:
        if self._receiving is not None:
            self._expect_body()
        if not self._queue:
            self.resume_reading()

    # Deadlines.

    def _wait(self, phase: Phase, seconds: float) -> None:
        self._phase = phase
        self._arm("phase", seconds)

    def _arm(self, which: str, seconds: float) -> None:
        due = monotonic() + seconds
        setattr(self._deadlines, which, due)
        self._watch(due)

    def _watch(self, due: float) -> None:
        """Have the alarm ring at `due` at the latest; that it may ring earlier costs only a look."""
        if due < self._alarm.due:
            self._host.wheel.set(self._alarm, due)

    def _expect_body(self) -> None:
        deadlines, now = self._deadlines, monotonic()
        deadlines.body = now + deadlines.settings.body
        if self._host.body_rate:
            deadlines.rate = now + RATE_WINDOW
            body = self._receiving.body if self._receiving else None
            deadlines.body_bytes = body.size if body else 0
        self._host.wheel.set(self._alarm, deadlines.next())

    def _ring(self) -> None:
        deadlines, now = self._deadlines, monotonic()
        if deadlines.phase <= now:
            deadlines.phase = inf
            self._phase_over()
        if deadlines.body <= now or deadlines.rate <= now:
            self._body_over(now)
        if deadlines.write <= now:
            self._write_over()
        if deadlines.call <= now:
            deadlines.call = inf
            if self._current is not None:
                self._current.interrupt(BrokerError("upstream_timeout", "The deadline of the route passed."))
        if self._transport is not None:
            self._host.wheel.set(self._alarm, deadlines.next())

    def _phase_over(self) -> None:
        if self._phase is Phase.HEAD:
            self._reject(BrokerError("request_timeout", "The request's head did not arrive in time."))
        elif self._phase is Phase.IDLE and not self.waiting:
            self.close()
            self._wait(Phase.LINGER, LINGER)
        else:
            self.abort()

    def _body_over(self, now: float) -> None:
        deadlines, exchange = self._deadlines, self._receiving
        stalled = deadlines.body <= now
        deadlines.rate = now + RATE_WINDOW
        if exchange is None or exchange.body is None:
            deadlines.body = deadlines.rate = inf
            return
        moved = exchange.body.size - deadlines.body_bytes
        deadlines.body_bytes = exchange.body.size
        if stalled or moved < self._host.body_rate * RATE_WINDOW:
            deadlines.body = deadlines.rate = inf
            error = BrokerError("request_timeout", "The request's body did not arrive in time.")
            exchange.body.fail(error)
            exchange.interrupt(error)

    def _write_over(self) -> None:
        deadlines = self._deadlines
        left = self.waiting
        if not self.write_blocked:
            deadlines.write = inf
        elif left < deadlines.write_left:
            deadlines.write_left = left
            deadlines.write = monotonic() + deadlines.settings.write
        else:
            # Left in the past, it would be filed again and again, and the wheel never come to an end.
            deadlines.write = inf
            self.abort()
