"""A listener: its socket, its connections, and the limits on both."""

import asyncio
import ipaddress
import socket
from collections.abc import Callable
from functools import lru_cache

from broker.config.model import Listener as ListenerConfig
from broker.core.alarms import AlarmWheel
from broker.core.exchange import Exchange
from broker.http1.limits import HeadLimits
from broker.listener.certificates import CertificateStore
from broker.listener.connection import ServerConnection
from broker.listener.timeouts import Deadlines

Serve = Callable[[Exchange], None]
BACKLOG = 4096


class Listener:
    """Accepts callers on one address and hands their calls on."""

    def __init__(
        self,
        name: str,
        config: ListenerConfig,
        certificates: CertificateStore,
        serve: Serve,
        wheel: AlarmWheel,
        refused: Callable[[str], None],
    ) -> None:
        self.name = name
        self.wheel = wheel
        self.serve = serve
        self.limits = HeadLimits(config.limits.header_bytes, config.limits.headers)
        self.body_rate = config.limits.body_rate
        self.draining = False
        self.certificates = certificates
        self._config = config
        self._refused = refused
        self._connections: set[ServerConnection] = set()
        self._server: asyncio.Server | None = None
        self._empty = asyncio.Event()
        self._empty.set()
        self.trusts = lru_cache(maxsize=4096)(self._trusts)

    @property
    def address(self) -> tuple[str, int]:
        """Host and port that are really bound."""
        assert self._server is not None  # noqa: S101 - asked only between start and stop
        host, port = self._server.sockets[0].getsockname()[:2]
        return host, port

    @property
    def connections(self) -> int:
        """How many callers are connected."""
        return len(self._connections)

    async def start(self) -> None:
        """Bind and accept. Raises `OSError` when the address cannot be had."""
        bind = self._config.bind
        self._server = await asyncio.get_running_loop().create_server(
            self._accept, bind.host, bind.port, backlog=BACKLOG, reuse_address=True
        )

    def _accept(self) -> asyncio.Protocol:
        if len(self._connections) >= self._config.limits.connections:
            self._refused(self.name)
            return _Refusal()
        connection = ServerConnection(self, self.certificates.engine(), Deadlines(self._config.timeouts))
        self._connections.add(connection)
        self._empty.clear()
        return connection

    def gone(self, connection: ServerConnection) -> None:
        """A connection ended."""
        self._connections.discard(connection)
        if not self._connections:
            self._empty.set()

    def _trusts(self, peer: str) -> bool:
        networks = self._config.trusted_proxies
        if not networks or not peer:
            return False
        address = ipaddress.ip_address(peer.partition("%")[0])
        mapped = getattr(address, "ipv4_mapped", None)
        return any((mapped or address) in network for network in networks)

    def drain(self) -> None:
        """Accept no more; idle connections close now, busy ones after the call under way."""
        self.draining = True
        if self._server is not None:
            self._server.close()
        for connection in list(self._connections):
            connection.drain()

    def calls(self) -> list[asyncio.Task[None]]:
        """The calls under way."""
        return [task for connection in self._connections if (task := connection.call) is not None]

    async def drained(self) -> None:
        """Wait until no caller is connected."""
        await self._empty.wait()

    def abort(self) -> None:
        """Reset what is left."""
        for connection in list(self._connections):
            connection.abort()


class _Refusal(asyncio.Protocol):
    """Takes a connection above the limit only to reset it."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        sock: socket.socket | None = transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        transport.abort()  # type: ignore[attr-defined]
