"""The request's way to an upstream: whole where it is all there, else as its body comes."""

from time import monotonic

from broker.core.body import Body
from broker.core.errors import BrokerError
from broker.core.exchange import Watcher
from broker.http1.writer import BodyWriter
from broker.upstream.opening import OpeningStream


class RequestingStream(OpeningStream):
    """A stream that sends one request at a time."""

    __slots__ = ("_asked_at", "_length", "_watcher")

    _watcher: Watcher | None
    """Who is told how long the service took; of each call."""

    # For subclasses.

    def cancel(self) -> None:
        """Give the call up: the endpoint must not take what it got for a whole request."""
        raise NotImplementedError

    def _release(self) -> None:
        """The call is over, and the connection free."""
        raise NotImplementedError

    # Sending.

    def _send_request(self, head: bytes, body: Body | None, chunked: bool, length: int) -> None:
        self._asked_at = monotonic()
        self._wheel.set(self._alarm, self._asked_at + self._settings.first_byte)
        self._length = None if chunked else length
        whole = body.take() if body is not None else b""
        if whole is not None and not chunked:
            if len(whole) != length:
                self._break(_wrong_length())
                return
            self._request_sent = True
            self.send(head + whole if whole else head)
        else:
            self._request_sent = False
            self.send(head)
            self._send_body(body, chunked)

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
        elif not self.answering:
            self._asked_at = monotonic()
            self._wheel.set(self._alarm, self._asked_at + self._settings.first_byte)

    def _request_broke(self, _: Exception) -> None:
        self.cancel()

    def _tell_watcher(self, *, overloaded: bool) -> None:
        watcher, self._watcher = self._watcher, None
        if watcher is not None:
            watcher.served(monotonic() - self._asked_at, overloaded=overloaded)


def _wrong_length() -> BrokerError:
    return BrokerError("internal_error", cause="the body to send has another length than its head says")
