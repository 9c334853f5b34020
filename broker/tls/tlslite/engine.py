"""The engine on tlslite: its handshake beside the event loop, its records in it."""

from collections.abc import Callable, Iterator
from typing import Any, Final

from tlslite.constants import AlertDescription, AlertLevel, ContentType
from tlslite.messages import Alert, Message

from broker.tls.errors import TlsFailure
from broker.tls.tlslite.alerts import CLOSED, alert_for, failure_of, received
from broker.tls.tlslite.client import Client, Steps
from broker.tls.tlslite.records import Wire
from broker.tls.tlslite.stepper import Outcome, Stepper
from broker.tls.tlslite.suites import NAMES

_RECORD: Final = 2**14
_VERSIONS: Final = {(3, 0): "SSLv3", (3, 1): "TLSv1", (3, 2): "TLSv1.1", (3, 3): "TLSv1.2"}


class TlsliteEngine:
    """One client connection.

    Attached, the handshake runs in threads of its own, a step for each arrival, and `wake` tells of its progress. All
    else belongs to the caller's thread; while a step runs, that thread leaves the library and its buffers alone.
    """

    __slots__ = (
        "_client",
        "_closed",
        "_connected",
        "_done",
        "_ended",
        "_failure",
        "_fed",
        "_fed_eof",
        "_out",
        "_records",
        "_started",
        "_stepper",
        "_wire",
    )

    def __init__(self, wire: Wire, client: Client, steps: Steps, done: Callable[[Client, bool], None]) -> None:
        """`done` is told of the handshake's end, and whether it went well."""
        self._wire = wire
        self._client = client
        self._stepper = Stepper(steps)
        self._done = done
        self._records: Iterator[Any] = iter(())
        self._out = bytearray()
        self._fed = bytearray()
        self._fed_eof = False
        self._started = False
        self._connected = False
        self._closed = False
        self._ended = False
        self._failure: TlsFailure | None = None

    def __repr__(self) -> str:
        return "TlsliteEngine()"

    def attach(self, wake: Callable[[], None]) -> None:
        self._stepper.attach(wake)

    def _check(self) -> None:
        if self._failure is not None:
            # Never the one that is kept: raised, it holds the frames it passes, and they hold this.
            raise TlsFailure(*self._failure.args)

    def _keep(self, failure: TlsFailure) -> None:
        self._failure = TlsFailure(*failure.args)

    # The handshake.

    def handshake(self) -> bool:
        self._check()
        if self._connected or self._closed or self._stepper.running:
            return self._connected
        if self._arrived() or not self._started:
            self._started = True
            self._stepper.go(self._stepped)
            self._check()
        return self._connected

    def _arrived(self) -> bool:
        """Hand over what was fed meanwhile; whether there was any."""
        arrived = bool(self._fed) or (self._fed_eof and not self._wire.eof)
        self._wire.inbox += self._fed
        self._wire.eof = self._fed_eof
        self._fed.clear()
        return arrived

    def _stepped(self, outcome: Outcome) -> None:
        if self._closed:
            self._stepper.drop()
            return
        self._out += self._wire.take()
        if isinstance(outcome, TlsFailure):
            self._keep(outcome)
            self._done(self._client, False)
        elif outcome:
            self._connected = True
            self._records = self._client.records.records()
            self._done(self._client, True)
        self._stepper.wake()
        if outcome:
            self._stepper.drop()

    def feed(self, data: bytes) -> None:
        self._fed += data

    def feed_eof(self) -> None:
        self._fed_eof = True

    # The records.

    def read(self) -> bytes | None:
        self._check()
        if self._ended:
            return b""
        if not self._connected:
            return None
        self._arrived()
        try:
            return self._next()
        except Exception as error:
            # Whatever the peer provokes in the library breaks this connection, and no more.
            self._alert(alert_for(error), AlertLevel.fatal)
            self._keep(failure_of(error))
        self._check()
        return None

    def _next(self) -> bytes | None:
        for record in self._records:
            if record == 0:
                return None
            header, parser = record
            data = bytes(parser.bytes)
            if header.type == ContentType.application_data:
                if data:
                    return data
            elif header.type == ContentType.alert:
                if self._heed(data):
                    return b""
            elif header.type == ContentType.handshake and not data.strip(b"\0") and not len(data) % 4:
                # A server that asks for this waits for it: to go on would end in a timeout that explains nothing.
                self._alert(AlertDescription.no_renegotiation, AlertLevel.warning)
                raise _renegotiation()
            else:
                self._alert(AlertDescription.unexpected_message, AlertLevel.fatal)
                raise TlsFailure("UNEXPECTED_RECORD", "the server sent a record out of order")
        raise TlsFailure(*CLOSED)

    def _heed(self, alerts: bytes) -> bool:
        """Whether the peer says that it sends no more."""
        for level, description in zip(alerts[::2], alerts[1::2], strict=False):
            if description == AlertDescription.close_notify:
                self._ended = True
                return True
            if level == AlertLevel.fatal:
                raise received(description)
        return False

    def _alert(self, description: int | None, level: int) -> None:
        if description is not None:
            for _ in self._client.records.sendRecord(Alert().create(description, level)):
                pass
            self._out += self._wire.take()

    def write(self, data: bytes) -> bytes:
        self._check()
        if not self._connected or self._closed:
            raise TlsFailure("PROTOCOL_IS_SHUTDOWN", "the connection is closed")
        for start in range(0, len(data), _RECORD):
            message = Message(ContentType.application_data, bytearray(data[start : start + _RECORD]))
            for _ in self._client.records.sendRecord(message):
                pass
        return self.outgoing() + self._wire.take()

    @property
    def held(self) -> int:
        return 0

    def outgoing(self) -> bytes:
        data = bytes(self._out)
        self._out.clear()
        return data

    def close(self) -> bytes:
        if self._closed:
            return b""
        self._closed = True
        if not self._connected or self._failure is not None:
            if not self._stepper.running:
                self._stepper.drop()
            return b""
        self._alert(AlertDescription.close_notify, AlertLevel.warning)
        return self.outgoing()

    # What came of the handshake.

    def protocol(self) -> str:
        return _VERSIONS.get(self._client.version, "") if self._connected else ""

    def cipher(self) -> str:
        return NAMES.get(self._client.session.cipherSuite, "") if self._connected else ""

    def peer_certificate(self) -> bytes | None:
        chain = self._client.session.serverCertChain if self._connected else None
        return bytes(chain.x509List[0].bytes) if chain is not None and chain.x509List else None

    def resumed(self) -> bool:
        return self._connected and bool(self._client.resumed)


def _renegotiation() -> TlsFailure:
    return TlsFailure(
        "RENEGOTIATION_WANTED",
        "the server wants to renegotiate, as IIS does to ask for a client certificate; the private OpenSSL can",
    )
