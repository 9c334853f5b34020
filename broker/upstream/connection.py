"""A connection to a legacy endpoint: the client side of HTTP/1.x, one call at a time."""

import asyncio
import socket
from collections.abc import Callable
from functools import partial
from math import inf
from time import monotonic
from typing import Any

from broker.core.alarms import AlarmWheel
from broker.core.body import Body
from broker.core.errors import BrokerError
from broker.core.heads import Framing, ResponseHead
from broker.core.quirks import NO_QUIRKS
from broker.http1.advice import with_advice
from broker.http1.errors import ProtocolError
from broker.http1.response_parser import ResponseParser
from broker.http1.writer import BodyWriter
from broker.tls.engine import TlsEngine
from broker.tls.errors import TlsFailure
from broker.tls.explain import explain
from broker.tls.options import TlsOptions
from broker.upstream.answer import Answer, Stale
from broker.upstream.deadlines import WatchedStream
from broker.upstream.origin import UpstreamSettings
from broker.upstream.peek import quiet


class UpstreamConnection(WatchedStream):
    """One connection of a pool. Exactly one call at a time; `released` is called when it is free or gone."""

    __slots__ = (
        "_abandoned",
        "_answer",
        "_answered",
        "_length",
        "_loop",
        "_ready_future",
        "_released",
        "_tls",
        "_used_before",
        "idle_since",
        "notes",
        "retires",
        "reusable",
        "sock",
    )

    def __init__(
        self,
        engine: TlsEngine | None,
        sock: socket.socket,
        settings: UpstreamSettings,
        wheel: AlarmWheel,
        released: Callable[["UpstreamConnection"], None],
        tls: TlsOptions | None = None,
    ) -> None:
        http = settings.http
        super().__init__(engine, settings, wheel, ResponseParser(self) if http is None else http.parser(self))
        self._loop = asyncio.get_running_loop()
        self._released = released
        self._tls = tls
        self._ready_future: asyncio.Future[None] = self._loop.create_future()
        self._answered: asyncio.Future[Answer] | None = None
        self._answer: Answer | None = None
        self._used_before = False
        self._length: int | None = None
        self._abandoned = False
        self.sock = sock
        self.idle_since = 0.0
        self.retires = inf
        """When it is too old to be kept."""
        self.notes: dict[str, Any] = {}
        """What a credential that belongs to connections keeps about this one."""
        self.reusable = http is None or http.keeps_connections
        """Whether the connection may serve another call after this one."""

    # Being made.

    async def ready(self) -> None:
        """Wait for TLS. Raises `TlsFailure`, or `OSError` when the transport went away."""
        await self._ready_future

    @property
    def engine(self) -> TlsEngine | None:
        """The TLS engine, for what was negotiated."""
        return self._engine

    def established(self) -> None:
        if not self._ready_future.done():
            self._ready_future.set_result(None)

    def _never_ready(self, error: Exception) -> None:
        self._ready_future.set_exception(error)
        # A caller that left waits no more: what nobody asks for would be logged as if it were a fault of the broker.
        self._ready_future.exception()

    def tls_failed(self, failure: TlsFailure) -> None:
        if not self._ready_future.done():
            self._never_ready(failure)
            return
        detail = "TLS broke during the call." if self._tls is None else explain(failure, self._tls)
        self._break(BrokerError("upstream_tls_failed", detail, cause=f"{failure.reason}: {failure.message}"))

    # Making a call.

    @property
    def free(self) -> bool:
        """Whether no call is under way."""
        return self._parser.done and self._request_sent

    @property
    def answering(self) -> bool:
        return self._answer is not None

    def alive(self) -> bool:
        """Whether an idle connection is still good: the kernel holds neither an end nor unasked bytes."""
        return not self.closing and not self._parser.surplus and quiet(self.sock)

    def call(
        self, method: bytes, head: bytes, body: Body | None, chunked: bool, length: int = 0
    ) -> "asyncio.Future[Answer]":
        """Send a request; the future gives the answer's head, and may raise `Stale` or `BrokerError`.

        `length`: what the head says of a body that is not chunked. A body of another length is never passed off as
        one: the next call's bytes would complete it.
        """
        self._parser.expect(method)
        self._answer = None
        answered = self._answered = self._loop.create_future()
        if self.closing:
            cut = BrokerError("upstream_protocol_error", _CUT, cause="closed before the request", unanswered=True)
            self._fail_answer(Stale() if self._used_before else cut)
            self._released(self)
            return answered
        self._wheel.set(self._alarm, monotonic() + self._settings.first_byte)
        self._length = None if chunked else length
        whole = body.take() if body is not None else b""
        if whole is not None and not chunked:
            if len(whole) != length:
                self._break(_wrong_length())
                return answered
            self._request_sent = True
            self.send(head + whole if whole else head)
        else:
            self._request_sent = False
            self.send(head)
            self._send_body(body, chunked)
        return answered

    def _send_body(self, body: Body | None, chunked: bool) -> None:
        assert body is not None  # noqa: S101 - a request without a body was sent whole
        self._writer = BodyWriter(self, body, chunked=chunked, done=self._sent, broken=self._request_broke)
        body.drain(self._writer)

    def _drop_request(self) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.drop()

    def _sent(self) -> None:
        writer, self._writer = self._writer, None
        if writer is not None and self._length is not None and writer.size != self._length:
            self._break(_wrong_length())
            return
        self._request_sent = True
        if self._parser.done:
            self._release()
        elif self._answer is None:
            self._wheel.set(self._alarm, monotonic() + self._settings.first_byte)

    def _request_broke(self, _: Exception) -> None:
        self.cancel()

    def cancel(self) -> None:
        """Give the call up: the endpoint must not take what it got for a whole request."""
        self.reusable = False
        self._drop_request()
        answered = self._answered
        if answered is not None and not answered.done():
            answered.cancel()
        self.abort()

    def abandon(self, answered: "asyncio.Future[Answer]", over: Callable[[], None] | None) -> None:
        """Nobody waits for this answer any more.

        `over`: called once the service is done with the call: its answer begins, it fails, or takes too long. None:
        nobody cares, and the connection is reset at once.
        """
        waiting = self._answered is answered and self._answer is None
        if waiting and over is not None and self._request_sent:
            self._abandoned = True
            kept = self._answered = self._loop.create_future()
            kept.add_done_callback(partial(_let_go, over))
            return
        if self._answered is answered:
            self.cancel()
        # Otherwise all of it came as the wait for it was cancelled; the connection may serve another call by now.
        if over is not None:
            over()

    # What the parser tells.

    def on_response(self, head: ResponseHead) -> None:
        empty = head.framing is Framing.NONE or (head.framing is Framing.LENGTH and head.length == 0)
        body = None if empty else Body(self)
        self.reusable = self.reusable and head.keep_alive
        if (self._parser.bodyless or head.status == _NO_CONTENT) and (head.chunked or head.length):
            # Some services send the body that such an answer must not have. It may come at any time, and would
            # answer somebody else's call: the pool does not keep the connection, only a handshake goes on with it.
            self.retires = -inf
        self._answer = Answer(head, body, self)
        if self._answered is not None and not self._answered.done():
            self._answered.set_result(self._answer)

    def on_response_data(self, data: bytes) -> None:
        answer = self._answer
        if answer is not None and answer.body is not None:
            answer.body.feed(data)

    def on_response_end(self) -> None:
        self._alarm.cancel()
        answer = self._answer
        if answer is not None and answer.body is not None:
            answer.body.finish()
        if self._request_sent:
            self._release()
        else:
            # The answer is complete before the request is: nobody reads on, so nothing more is sent.
            self.reusable = False
            self.abort()
            self._released(self)

    def _release(self) -> None:
        self._used_before = True
        self._answered = None
        self.idle_since = monotonic()
        if not self.reusable:
            self.close()
        self._released(self)

    # The stream below.

    def received(self, data: bytes) -> None:
        parser = self._parser
        if self._abandoned:
            # The service is done with the call; whatever it says, nobody wants it.
            self.cancel()
            return
        if parser.done:
            self.reusable = False
            self.abort()
            return
        try:
            parser.feed(data)
        except ProtocolError as error:
            self._broke_protocol(error)
            return
        if parser.surplus:
            self.reusable = False
            self.close()
        elif not parser.done and not self._paused:
            self._wheel.set(self._alarm, monotonic() + self._settings.idle)

    def ended(self, clean: bool) -> None:
        if not self._parser.done:
            try:
                if self._stale():
                    self._fail_answer(Stale())
                elif not clean and self._settings.require_close_notify:
                    raise ProtocolError("the upstream cut TLS off without close_notify")
                else:
                    self._parser.feed_eof()
            except ProtocolError as error:
                self._broke_protocol(error)
                return
        self.reusable = False
        self.close()

    def lost(self, error: Exception | None) -> None:
        self._alarm.end()
        self._drop_request()
        self.reusable = False
        if not self._ready_future.done():
            self._never_ready(error or ConnectionResetError("closed during the TLS handshake"))
        if not self._parser.done:
            if self._stale():
                self._fail_answer(Stale())
            else:
                cause, unanswered = str(error or "closed"), not self._parser.started
                self._break(BrokerError("upstream_protocol_error", _CUT, cause=cause, unanswered=unanswered))
        self._released(self)

    def _stale(self) -> bool:
        return self._used_before and not self._parser.started

    def _broke_protocol(self, error: ProtocolError) -> None:
        http = self._settings.http
        have = NO_QUIRKS if http is None else http.answers.quirks
        detail = with_advice(error, self._parser, have)
        self._break(BrokerError("upstream_protocol_error", detail, unanswered=not self._parser.started))

    def _break(self, error: BrokerError) -> None:
        self.reusable = False
        self._fail_answer(error)
        self.abort()

    def _fail_answer(self, error: Exception) -> None:
        answered = self._answered
        if answered is not None and not answered.done():
            answered.set_exception(error)
        elif self._answer is not None and self._answer.body is not None:
            self._answer.body.fail(error)


def _let_go(over: Callable[[], None], answered: "asyncio.Future[Answer]") -> None:
    if not answered.cancelled() and answered.exception() is None:
        answered.result().cancel()
    over()


def _wrong_length() -> BrokerError:
    return BrokerError("internal_error", cause="the body to send has another length than its head says")


_NO_CONTENT = 204
_CUT = "The upstream closed the connection before its answer was complete."
