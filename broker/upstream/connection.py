"""A connection to a legacy endpoint: the client side of HTTP/1.x, one call at a time."""

import asyncio
import socket
from collections.abc import Callable
from functools import partial
from time import monotonic

from broker.core.alarms import AlarmWheel
from broker.core.body import Body
from broker.core.errors import BrokerError
from broker.core.exchange import Watcher
from broker.core.heads import Framing, ResponseHead
from broker.core.quirks import NO_QUIRKS
from broker.http1.advice import with_advice
from broker.http1.errors import ProtocolError
from broker.http1.response_parser import ResponseParser
from broker.tls.engine import TlsEngine
from broker.tls.options import TlsOptions
from broker.upstream.answer import Answer, Stale, let_go
from broker.upstream.kept import KeptStream
from broker.upstream.origin import UpstreamSettings
from broker.upstream.watching import OVERLOADED, says_how_long, took_too_long


class UpstreamConnection(KeptStream):
    """One connection of a pool. Exactly one call at a time; `released` is called when it is free or gone."""

    __slots__ = (
        "_abandoned",
        "_answer",
        "_answered",
        "_loop",
        "_released",
        "_used_before",
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
        parser = ResponseParser(self) if http is None else http.parser(self)
        super().__init__(engine, sock, settings, wheel, parser, tls)
        self._loop = asyncio.get_running_loop()
        self._released = released
        self._answered: asyncio.Future[Answer] | None = None
        self._answer: Answer | None = None
        self._used_before = False
        self._abandoned = False

    # Making a call.

    @property
    def answering(self) -> bool:
        return self._answer is not None

    def call(
        self,
        method: bytes,
        head: bytes,
        body: Body | None,
        chunked: bool,
        length: int = 0,
        watcher: Watcher | None = None,
    ) -> "asyncio.Future[Answer]":
        """Send a request; the future gives the answer's head, and may raise `Stale` or `BrokerError`.

        `length`: what the head says of a body that is not chunked. A body of another length is never passed off as
        one: the next call's bytes would complete it. `watcher`: who is told how long the service took.
        """
        self._watcher = watcher
        self._parser.expect(method)
        self._answer = None
        answered = self._answered = self._loop.create_future()
        if self.closing:
            self._fail_answer(Stale() if self._used_before else _cut("closed before the request", unanswered=True))
            self._released(self)
            return answered
        self._send_request(head, body, chunked, length)
        return answered

    def cancel(self) -> None:
        self.reusable = False
        if self._answer is not None:
            self._answer.given_up()
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
            self.reusable = False
            kept = self._answered = self._loop.create_future()
            kept.add_done_callback(partial(let_go, over))
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
        self._heed(head)
        if self._watcher is not None and self._request_sent and says_how_long(head.status):
            self._tell_watcher(overloaded=head.status in OVERLOADED)
        self._answer = Answer(head, body, self)
        if self._answered is not None and not self._answered.done():
            self._answered.set_result(self._answer)

    def on_response_data(self, data: bytes) -> None:
        answer = self._answer
        if answer is not None and answer.coming is not None:
            answer.coming.feed(data)

    def on_response_end(self) -> None:
        self._alarm.cancel()
        if self._answer is not None:
            self._answer.finish()
        if self._request_sent:
            self._release()
        else:
            # The answer is complete before the request is: nobody reads on, so nothing more is sent.
            self.reusable = False
            self.abort()
            self._released(self)

    def _release(self) -> None:
        self._used_before = True
        self._answered = self._answer = None
        self.idle_since = monotonic()
        if not self.reusable:
            self.close()
        self._released(self)

    # The stream below.

    def received(self, data: bytes) -> None:
        parser = self._parser
        if parser.done:
            self.reusable = False
            self.abort()
            return
        try:
            parser.feed(data)
        except ProtocolError as error:
            self._broke_protocol(error)
            return
        if self._abandoned:
            # The service is done with the call. How it went its status told, if that is here; nobody wants the rest.
            if self._answer is None and not parser.done:
                self._tell_watcher(overloaded=False)
            self.cancel()
        elif parser.surplus:
            self.reusable = False
            self.close()
        elif not parser.done and not self._paused:
            self._expect_more()

    def _expect_more(self) -> None:
        if self._parser.begun:
            self._wheel.set(self._alarm, monotonic() + self._settings.idle)
        elif self._request_sent:
            # An interim answer (1xx) says that the service is at work: the time to the answer proper begins anew.
            self._wheel.set(self._alarm, monotonic() + self._settings.first_byte)

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
        super().lost(error)
        if not self._parser.done:
            if self._stale():
                self._fail_answer(Stale())
            else:
                self._break(_cut(str(error or "closed"), unanswered=not self._parser.started))
        # Both hold this connection: left as they are, it would be for the garbage collector to find them.
        self._parser.close()
        self._answered = self._answer = None
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
            if took_too_long(error):
                self._tell_watcher(overloaded=True)
            answered.set_exception(error)
            # The error knows the frames of the call, and they know this connection.
            self._answered = None
        elif self._answer is not None:
            self._answer.fail(error)


def _cut(cause: str, *, unanswered: bool) -> BrokerError:
    detail = "The upstream closed the connection before its answer was complete."
    return BrokerError("upstream_protocol_error", detail, cause=cause, unanswered=unanswered)
