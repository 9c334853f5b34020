"""What a pool wants to know of a connection: whether it may serve another call, and how long it may be kept."""

import socket
from math import inf
from typing import Any

from broker.core.alarms import AlarmWheel
from broker.core.heads import Framing, ResponseHead
from broker.http1.response_parser import ResponseParser
from broker.tls.engine import TlsEngine
from broker.tls.options import TlsOptions
from broker.upstream.origin import UpstreamSettings
from broker.upstream.peek import quiet
from broker.upstream.requesting import RequestingStream


class KeptStream(RequestingStream):
    """A stream that outlives its calls, where nothing speaks against it."""

    __slots__ = ("idle_since", "notes", "retires", "reusable", "sock", "wary")

    def __init__(
        self,
        engine: TlsEngine | None,
        sock: socket.socket,
        settings: UpstreamSettings,
        wheel: AlarmWheel,
        parser: ResponseParser,
        tls: TlsOptions | None,
    ) -> None:
        super().__init__(engine, settings, wheel, parser, tls)
        http = settings.http
        self.sock = sock
        self.idle_since = 0.0
        self.retires = inf
        """When it is too old to be kept."""
        self.notes: dict[str, Any] = {}
        """What a credential that belongs to connections keeps about this one."""
        self.reusable = http is None or http.keeps_connections
        """Whether the connection may serve another call after this one."""
        self.wary = False
        """Whether the last answer was one without a body (to HEAD, 204, 304), behind which some services send one."""

    @property
    def free(self) -> bool:
        """Whether no call is under way."""
        return self._parser.done and self._request_sent

    def alive(self) -> bool:
        """Whether an idle connection is still good: the kernel holds neither an end nor unasked bytes."""
        return not self.closing and not self._parser.surplus and quiet(self.sock)

    def _heed(self, head: ResponseHead) -> None:
        """What an answer says of the connection."""
        self.reusable = self.reusable and head.keep_alive
        self.wary = head.framing is Framing.NONE
        if self.wary and (head.chunked or head.length):
            # Some services send the body that such an answer must not have. It may come at any time, and would
            # answer somebody else's call: the pool does not keep the connection, only a handshake goes on with it.
            self.retires = -inf
