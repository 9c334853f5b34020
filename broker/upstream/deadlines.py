"""How long an upstream may take over each step of a call, and who has to slow down for whom."""

from time import monotonic

from broker.core.alarms import Alarm, AlarmWheel
from broker.core.errors import BrokerError
from broker.http1.response_parser import ResponseParser
from broker.http1.writer import BodyWriter
from broker.tls.engine import TlsEngine
from broker.tls.stream import SecureStream
from broker.upstream.origin import UpstreamSettings


class WatchedStream(SecureStream):
    """A stream to an upstream with one alarm for the call that is on it, and backpressure both ways."""

    __slots__ = ("_alarm", "_parser", "_request_sent", "_settings", "_wheel", "_write_left", "_writer")

    def __init__(
        self, engine: TlsEngine | None, settings: UpstreamSettings, wheel: AlarmWheel, parser: ResponseParser
    ) -> None:
        super().__init__(engine)
        self._settings = settings
        self._wheel = wheel
        self._parser = parser
        self._alarm = Alarm(self._ring)
        self._writer: BodyWriter | None = None
        self._request_sent = True
        self._write_left = 0

    # For subclasses.

    @property
    def answering(self) -> bool:
        """Whether the answer's head has come."""
        raise NotImplementedError

    def _break(self, error: BrokerError) -> None:
        """End the call with `error`."""
        raise NotImplementedError

    # Backpressure.

    def pause_writing(self) -> None:
        super().pause_writing()
        self._write_left = self.waiting
        if not self._request_sent and not self.answering:
            self._wheel.set(self._alarm, monotonic() + self._settings.write)

    def writable(self) -> None:
        if self._writer is not None:
            self._writer.writable()

    def pause_body(self) -> None:
        """Whoever takes the answer cannot take more of it: that is no fault of the upstream's."""
        self._alarm.cancel()
        self.pause_reading()

    def resume_body(self) -> None:
        """The answer may come on."""
        if not self._parser.done:
            self._wheel.set(self._alarm, monotonic() + self._settings.idle)
        self.resume_reading()

    # The alarm.

    def _ring(self) -> None:
        if self._parser.done:
            return
        if not self._request_sent:
            self._watch_request()
            return
        what = "stopped in the middle of its answer" if self.answering else "did not answer"
        self._break(BrokerError("upstream_timeout", f"The upstream {what} in time."))

    def _watch_request(self) -> None:
        """The request is on its way: its sender is watched by the caller's deadlines, its taker here."""
        left = self.waiting
        if self.write_blocked and left >= self._write_left:
            self._break(BrokerError("upstream_timeout", "The upstream did not take the request in time."))
            return
        self._write_left = left
        self._wheel.set(self._alarm, monotonic() + self._settings.write)
