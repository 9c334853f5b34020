"""A listener: its socket, its connections, and the limits on both."""

import asyncio
import ipaddress
from collections.abc import Callable, Sequence
from functools import lru_cache, partial

from broker.callers.address import peer_key
from broker.config.model import Listener as ListenerConfig
from broker.core.alarms import AlarmWheel
from broker.core.exchange import Exchange
from broker.http1.limits import HeadLimits
from broker.listener.certificates import CertificateStore
from broker.listener.connection import ServerConnection
from broker.listener.door import Door
from broker.listener.entrance import Entrance
from broker.listener.stopping import GOODBYE

Serve = Callable[[Exchange], None]
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
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
        door: Door,
    ) -> None:
        self.wheel = wheel
        self.door = door
        self.draining = False
        self._connections: dict[ServerConnection, str | None] = {}
        """By whose address the door counts them."""
        self._entrance = Entrance(self._admit)
        self._set(name, config, certificates, serve)
        self._server: asyncio.Server | None = None
        self._empty = asyncio.Event()
        self._empty.set()

    def _set(self, name: str, config: ListenerConfig, certificates: CertificateStore, serve: Serve) -> None:
        self.name = name
        self.config = config
        self.certificates = certificates
        self.serve = serve
        self.limits = HeadLimits(config.limits.header_bytes, config.limits.headers)
        self.body_rate = config.limits.body_rate
        self.trusts = lru_cache(maxsize=4096)(partial(_trusts, config.trusted_proxies))

    def reconfigure(self, name: str, config: ListenerConfig, certificates: CertificateStore, serve: Serve) -> None:
        """Go on under other settings: new calls are served by `serve`, new handshakes see the new certificates.

        Calls under way end as they began. Connections stay, but for those whose certificate was asked for on other
        terms: their next answer is the last.
        """
        terms = _terms(self.certificates, self.config)
        self._set(name, config, certificates, serve)
        changed = terms != _terms(certificates, config)
        for connection in self._connections:
            connection.reconfigured(config.timeouts, ends=changed)

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
        bind = self.config.bind
        self._server = await asyncio.get_running_loop().create_server(
            lambda: self._entrance, bind.host, bind.port, backlog=BACKLOG, reuse_address=True
        )

    def _admit(self, peer: str) -> ServerConnection | None:
        """What goes on with a new connection, before any TLS; None where it is one too many."""
        key = None if self.trusts(peer) else peer_key(peer)
        full = len(self._connections) >= self.config.limits.connections
        reason = "listener" if full else self.door.refuses(key)
        if reason is not None:
            self.door.refusals.note(self.name, reason, peer)
            return None
        connection = ServerConnection(self, self.certificates.engine(), self.config.timeouts)
        self._connections[connection] = key
        self.door.enter(key)
        self._empty.clear()
        return connection

    def gone(self, connection: ServerConnection) -> None:
        """A connection ended."""
        self.door.leave(self._connections.pop(connection))
        if not self._connections:
            self._empty.set()

    def announce(self) -> None:
        """Take what comes, but let each answer say that it is the last of its connection."""
        self.draining = True

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

    async def cut_off(self) -> None:
        """End the calls that are still under way, see `too_late`; what is left a moment later is reset."""
        for connection in list(self._connections):
            connection.cut_off()
        try:
            async with asyncio.timeout(GOODBYE):
                await self.drained()
        except TimeoutError:
            self.abort()

    def abort(self) -> None:
        """Reset what is left."""
        for connection in list(self._connections):
            connection.abort()


def _trusts(networks: Sequence[Network], peer: str) -> bool:
    if not networks or not peer:
        return False
    address = ipaddress.ip_address(peer.partition("%")[0])
    mapped = getattr(address, "ipv4_mapped", None)
    return any((mapped or address) in network for network in networks)


def _terms(certificates: CertificateStore, config: ListenerConfig) -> tuple[str, bytes]:
    """Whose certificates callers have to show."""
    return config.tls.asks_for, certificates.client_ca
