"""A connection to an upstream as it is made: what TLS came to."""

import asyncio

from broker.core.alarms import AlarmWheel
from broker.core.errors import BrokerError
from broker.http1.response_parser import ResponseParser
from broker.tls.engine import TlsEngine
from broker.tls.errors import TlsFailure
from broker.tls.explain import explain
from broker.tls.options import TlsOptions
from broker.upstream.deadlines import WatchedStream
from broker.upstream.origin import UpstreamSettings


class OpeningStream(WatchedStream):
    """A stream that somebody waits for until it is ready, and that says why TLS broke."""

    __slots__ = ("_ready_future", "_tls")

    def __init__(
        self,
        engine: TlsEngine | None,
        settings: UpstreamSettings,
        wheel: AlarmWheel,
        parser: ResponseParser,
        tls: TlsOptions | None,
    ) -> None:
        super().__init__(engine, settings, wheel, parser)
        self._tls = tls
        self._ready_future: asyncio.Future[None] = asyncio.get_running_loop().create_future()

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

    def tls_failed(self, failure: TlsFailure) -> None:
        if not self._ready_future.done():
            self._never_ready(failure)
            return
        detail = "TLS broke during the call." if self._tls is None else explain(failure, self._tls)
        self._break(BrokerError("upstream_tls_failed", detail, cause=f"{failure.reason}: {failure.message}"))

    def lost(self, error: Exception | None) -> None:
        if not self._ready_future.done():
            self._never_ready(error or ConnectionResetError("closed during the TLS handshake"))

    def _never_ready(self, error: Exception) -> None:
        self._ready_future.set_exception(error)
        # A caller that left waits no more: what nobody asks for would be logged as if it were a fault of the broker.
        self._ready_future.exception()
