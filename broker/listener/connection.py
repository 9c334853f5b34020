"""A caller's connection: the server side of HTTP/1.1 (RFC 9112), one request after the other, none too slow."""

import asyncio
from collections import deque
from time import monotonic

from broker.config.listeners import ListenerTimeouts
from broker.core.body import Body
from broker.core.errors import BrokerError
from broker.core.exchange import CallerGone, Exchange
from broker.core.heads import Framing, RequestHead
from broker.http1.errors import ProtocolError
from broker.http1.request_parser import RequestParser
from broker.listener.caller_stream import CallerStream
from broker.listener.certificates import ServerEngine
from broker.listener.host import Host
from broker.listener.stopping import too_late
from broker.listener.timeouts import LINGER, REST, Deadlines, Phase
from broker.tls.errors import TlsFailure


class ServerConnection(CallerStream):
    """One caller's connection."""

    __slots__ = ("_current", "_deadlines", "_last", "_parser", "_queue", "_receiving", "_refusal")

    def __init__(self, host: Host, engine: ServerEngine | None, timeouts: ListenerTimeouts) -> None:
        super().__init__(host, engine)
        self._parser = RequestParser(self, host.limits)
        self._deadlines = Deadlines(host, timeouts, self)
        self._current: Exchange | None = None
        self._receiving: Exchange | None = None
        self._queue: deque[Exchange] = deque()
        self._refusal: BrokerError | None = None
        self._last = False

    # The stream below.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._deadlines.wait(Phase.HANDSHAKE, self._deadlines.settings.handshake)
        super().connection_made(transport)

    def established(self) -> None:
        engine = self._engine
        if isinstance(engine, ServerEngine) and engine.sni_unknown:
            self._refusal = BrokerError("misdirected_request", "No host of that name is served here.")
        self._deadlines.wait(Phase.IDLE, self._deadlines.settings.idle)

    def received(self, data: bytes) -> None:
        deadlines = self._deadlines
        try:
            self._parser.feed(data)
        except ProtocolError as error:
            self._reject(BrokerError(error.code, f"{error.reason[:1].upper()}{error.reason[1:]}."))
            return
        if deadlines.phase is Phase.IDLE and not self._parser.idle:
            deadlines.wait(Phase.HEAD, deadlines.settings.head)

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
        # Both refer to this connection: left as they are, it would be for the garbage collector to find them.
        self._deadlines.end()
        self._parser.close()
        self._queue.clear()
        receiving, self._receiving = self._receiving, None
        if receiving is not None and receiving.body is not None:
            receiving.body.fail(CallerGone())
        if self._current is not None:
            self._current.interrupt(CallerGone())
        for kept in (self.pins or {}).values():
            kept.close()
        self._host.gone(self)

    def writable(self) -> None:
        self._deadlines.unblocked()
        super().writable()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._deadlines.blocked()

    @property
    def call(self) -> "asyncio.Task[None] | None":
        """The task that serves the call under way."""
        return self._current.task if self._current is not None else None

    # What the parser tells.

    def on_request(self, head: RequestHead) -> None:
        has_body = head.framing is Framing.CHUNKED or head.length > 0
        exchange = Exchange(head, Body(self) if has_body else None, self, self._host.name, monotonic())
        exchange.refusal = self._refusal
        rate = self._host.door.request_rate
        if rate is not None and self._refusal is None:
            exchange.refusal = rate.refusal(exchange)
        self._receiving = exchange
        if has_body:
            self._deadlines.expect_body()
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
            self._deadlines.body_moved()
        plan = exchange.plan
        if plan is not None and plan.max_body is not None and exchange.body.size + len(data) > plan.max_body:
            error = BrokerError("body_too_large")
            exchange.body.fail(error)
            exchange.interrupt(error)
            return
        exchange.body.feed(data)

    def on_request_end(self) -> None:
        exchange, self._receiving = self._receiving, None
        if exchange is not None and exchange.body is not None:
            self._deadlines.no_body()
            exchange.body.finish()
        elif self._deadlines.phase is Phase.REST:
            self._await_request()

    # One call after the other.

    @property
    def last(self) -> bool:
        """Whether the call under way is the connection's last; a stop lets those that wait behind it have their turn.

        They can go on only until the listener's time is over.
        """
        return self._last or (self._host.draining and not self._queue)

    def _begin(self, exchange: Exchange) -> None:
        self._current = exchange
        self._deadlines.begin_call()
        self._host.serve(exchange)

    def _begin_next(self, exchange: Exchange) -> None:
        """A pipelined request has its turn: some of its body may not have been read yet."""
        if exchange is self._receiving:
            self._deadlines.expect_body()
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
        pending = exchange.body_pending
        if exchange.close or (pending and not exchange.rest_is_short) or (self.last and not self._queue):
            self._finish(exchange)
        elif pending:
            self._skip_rest(exchange)
        elif self._queue:
            self._begin_next(self._queue.popleft())
        else:
            self._await_request()

    def _skip_rest(self, exchange: Exchange) -> None:
        """The answer is out, some of the request is not here: the parser reads past it, and nobody gets it."""
        self._receiving = None
        if exchange.body is not None:
            # Whoever drained it is gone; it must not hold back the requests behind it.
            exchange.body.resume()
        self.resume_reading()
        self._deadlines.wait(Phase.REST, min(self._deadlines.settings.body, REST))

    def _await_request(self) -> None:
        self.resume_reading()
        deadlines = self._deadlines
        if self._parser.idle:
            deadlines.wait(Phase.IDLE, deadlines.settings.idle)
        else:
            deadlines.wait(Phase.HEAD, deadlines.settings.head)

    def _finish(self, exchange: Exchange) -> None:
        self._queue.clear()
        if exchange.body_pending or exchange.refusal is not None or self._paused:
            self._linger()
        else:
            self._close(self._deadlines.settings.write)

    def _linger(self) -> None:
        """Close, but for a moment let the caller go on sending what nobody reads."""
        self._receiving = None
        self.close_discarding()
        self._deadlines.wait(Phase.LINGER, LINGER)

    def _close(self, seconds: float) -> None:
        """Close; what was sent has so long to leave."""
        self.close()
        self._deadlines.wait(Phase.CLOSE, seconds)

    def drain(self) -> None:
        """Close if nothing is under way; otherwise the call under way is the last."""
        if self._deadlines.phase is Phase.REST:
            self._linger()
        elif self._current is None and self._deadlines.phase not in (Phase.HEAD, Phase.LINGER):
            self.close()

    def cut_off(self) -> None:
        """The call under way has had its time: it is answered with that, or broken off where an answer has begun."""
        self._queue.clear()
        if self._current is not None:
            self._current.interrupt(too_late(self._current))

    def reconfigured(self, timeouts: ListenerTimeouts, *, ends: bool) -> None:
        """The listener has other settings; `ends`: the next answer is the last of this connection."""
        self._deadlines.settings = timeouts
        trusted = self._host.trusts(self.peer)
        if self._current is None:
            self.peer_trusted = trusted
        # A call under way is judged by one and the same rule from its begin to its end.
        self._last = self._last or ends or trusted != self.peer_trusted

    # What the pipeline and the bodies call.

    def set_deadline(self, exchange: Exchange, due: float) -> None:
        self._deadlines.call_until(due)

    def pause_body(self) -> None:
        self._deadlines.no_body()
        self.pause_reading()

    def resume_body(self) -> None:
        if self._receiving is not None:
            self._deadlines.expect_body()
        if not self._queue:
            self.resume_reading()

    # What the deadlines tell.

    @property
    def arriving(self) -> Body | None:
        return self._receiving.body if self._receiving is not None else None

    def phase_over(self) -> None:
        phase = self._deadlines.phase
        if phase is Phase.HEAD and not self.closing:
            self._reject(BrokerError("request_timeout", "The request's head did not arrive in time."))
        elif phase is Phase.LINGER:
            self._close(self._deadlines.settings.write)
        elif phase is Phase.IDLE and not self.waiting:
            self._close(LINGER)
        else:
            self.abort()

    def body_late(self) -> None:
        exchange = self._receiving
        if exchange is not None and exchange.body is not None:
            error = BrokerError("request_timeout", "The request's body did not arrive in time.")
            exchange.body.fail(error)
            exchange.interrupt(error)

    def call_late(self) -> None:
        if self._current is not None:
            self._current.interrupt(BrokerError("upstream_timeout", "The deadline of the route passed."))
