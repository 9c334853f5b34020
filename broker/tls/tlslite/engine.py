"""The engine on tlslite: its handshake beside the event loop, its records in it."""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache
from typing import Any, Final

from tlslite.constants import AlertDescription, AlertLevel, ContentType
from tlslite.messages import Alert, Message

from broker.tls.errors import TlsFailure
from broker.tls.tlslite.alerts import CLOSED, alert_for, failure_of, received
from broker.tls.tlslite.client import Client, Steps
from broker.tls.tlslite.records import Wire
from broker.tls.tlslite.suites import NAMES

_RECORD: Final = 2**14
_THREADS: Final = 4
_VERSIONS: Final = {(3, 0): "SSLv3", (3, 1): "TLSv1", (3, 2): "TLSv1.1", (3, 3): "TLSv1.2"}
_HELLO_REQUEST: Final = bytes(4)


@lru_cache(maxsize=1)
def _pool() -> ThreadPoolExecutor:
    """The threads that handshakes run in; made when the first is."""
    return ThreadPoolExecutor(_THREADS, "tlslite")


class TlsliteEngine:
    """One client connection.

    `attach`ed, the handshake runs in threads of its own, a step for each arrival, and `wake` tells of its progress:
    it is Python's arithmetic, and much of it. Not attached, it runs where `handshake` is called. All else belongs to
    the caller's thread; while a step runs, that thread leaves the buffers alone.
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
        "_loop",
        "_out",
        "_records",
        "_refused",
        "_running",
        "_started",
        "_steps",
        "_wake",
        "_wire",
    )

    def __init__(self, wire: Wire, client: Client, steps: Steps, done: Callable[[Client, bool], None]) -> None:
        """`done` is told of the handshake's end, and whether it went well."""
        self._wire = wire
        self._client = client
        self._steps: Steps | None = steps
        self._done = done
        self._records: Iterator[Any] = iter(())
        self._out = bytearray()
        self._fed = bytearray()
        self._fed_eof = False
        self._started = False
        self._running = False
        self._connected = False
        self._closed = False
        self._ended = False
        self._refused = False
        self._failure: TlsFailure | None = None
        self._wake: Callable[[], None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def __repr__(self) -> str:
        return "TlsliteEngine()"

    def attach(self, wake: Callable[[], None]) -> None:
        """Let the handshake run beside the running event loop."""
        self._wake = wake
        self._loop = asyncio.get_running_loop()

    # The handshake.

    def handshake(self) -> bool:
        if self._failure is not None:
            raise self._failure
        if self._connected or self._running or self._closed:
            return self._connected
        if not self._arrived() and self._started:
            return False
        self._started = self._running = True
        if self._loop is None:
            self._stepped(self._step())
            return self.handshake() if self._failure is not None else self._connected
        _pool().submit(self._step).add_done_callback(self._report)
        return False

    def _arrived(self) -> bool:
        """Hand over what was fed meanwhile; whether there was any."""
        arrived = bool(self._fed) or (self._fed_eof and not self._wire.eof)
        self._wire.inbox += self._fed
        self._wire.eof = self._fed_eof
        self._fed.clear()
        return arrived

    def _step(self) -> bool | TlsFailure:
        """Go on until more ciphertext is needed, in a thread of the pool; True when the handshake is complete."""
        try:
            for _ in self._steps or ():
                return False
        except Exception as error:
            # Whatever the peer provokes in the library breaks this connection, and no more.
            return failure_of(error).with_traceback(None)
        return True

    def _report(self, step: "Future[bool | TlsFailure]") -> None:
        """In the thread of the pool."""
        loop = self._loop
        try:
            if loop is not None:
                loop.call_soon_threadsafe(self._stepped, step.result())
        except RuntimeError:
            # The loop is closed: nobody waits.
            pass

    def _stepped(self, outcome: bool | TlsFailure) -> None:
        self._running = False
        if self._closed:
            self._drop()
            return
        self._out += self._wire.take()
        if isinstance(outcome, TlsFailure):
            outcome.__context__ = None
            self._failure = outcome
            self._done(self._client, False)
        elif outcome:
            self._connected = True
            self._records = self._client.records.records()
            self._done(self._client, True)
        wake = self._wake
        if self._failure is not None or self._connected:
            self._drop()
        if wake is not None:
            wake()

    def _drop(self) -> None:
        # Whoever is woken holds this engine: without this, only the garbage collector would part them.
        self._steps = None
        self._wake = None

    def feed(self, data: bytes) -> None:
        self._fed += data

    def feed_eof(self) -> None:
        self._fed_eof = True

    # The records.

    def read(self) -> bytes | None:
        if self._failure is not None:
            raise self._failure
        if self._ended:
            return b""
        if not self._connected:
            return None
        self._arrived()
        try:
            return self._next()
        except TlsFailure as failure:
            self._failure = failure.with_traceback(None)
        except Exception as error:
            self._alert(alert_for(error), AlertLevel.fatal)
            self._failure = failure_of(error).with_traceback(None)
        if self._refused:
            self._failure = _renegotiation()
        self._failure.__context__ = None
        raise self._failure

    def _next(self) -> bytes | None:
        for record in self._records:
            if record == 0:
                return None
            header, parser = record
            data = bytes(parser.bytes)
            if header.type == ContentType.application_data:
                if data:
                    self._refused = False
                    return data
            elif header.type == ContentType.alert:
                if self._heed(data):
                    return b""
            elif header.type == ContentType.handshake and not data.strip(b"\0") and not len(data) % 4:
                self._refused = True
                self._alert(AlertDescription.no_renegotiation, AlertLevel.warning)
            else:
                self._alert(AlertDescription.unexpected_message, AlertLevel.fatal)
                raise TlsFailure("UNEXPECTED_RECORD", "the server sent a record out of order")
        raise TlsFailure(*CLOSED)

    def _heed(self, alerts: bytes) -> bool:
        """Whether the peer says that it sends no more."""
        for level, description in zip(alerts[::2], alerts[1::2], strict=False):
            if description == AlertDescription.close_notify:
                if self._refused:
                    raise _renegotiation()
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
        if self._failure is not None:
            raise self._failure
        if not self._connected or self._closed:
            raise TlsFailure("PROTOCOL_IS_SHUTDOWN", "the connection is closed")
        for start in range(0, len(data), _RECORD):
            message = Message(ContentType.application_data, bytearray(data[start : start + _RECORD]))
            for _ in self._client.records.sendRecord(message):
                pass
        return self.outgoing() + self._wire.take()

    def outgoing(self) -> bytes:
        data = bytes(self._out)
        self._out.clear()
        return data

    def close(self) -> bytes:
        if self._closed:
            return b""
        self._closed = True
        if not self._connected or self._failure is not None:
            if not self._running:
                self._drop()
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
