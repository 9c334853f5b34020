"""The look-alike of IIS as a server on a port of its own."""

import asyncio
import ssl
from pathlib import Path
from typing import Self

from cryptography.hazmat.primitives.serialization import Encoding
from spnego.channel_bindings import GssChannelBindings

from broker.credentials.windows_binding import channel_bindings
from broker.testing.contexts import server_context
from broker.testing.pki import Issued
from broker.testing.windows_auth.acceptor import Acceptor
from broker.testing.windows_auth.connection import Connection, Received
from broker.testing.windows_auth.manners import Manners


class Iis:
    """Answers 200 with the user's name and the request, in JSON, to whoever logged in on the connection."""

    def __init__(self, users: Path, manners: Manners | None = None, *, identity: Issued | None = None) -> None:
        """`users`: a file by `accounts`; with an identity it speaks TLS."""
        self.manners = manners or Manners()
        self.port = 0
        self.requests: list[Received] = []
        """All that came, with the statuses that it was answered with."""
        self.handshakes = 0
        """How many logins were begun."""
        self.connections = 0
        self.dropped = 0
        """How many connections ended because a second user logged in on them."""
        self.certificate = None if identity is None else identity.certificate.public_bytes(Encoding.DER)
        self.bindings: GssChannelBindings | None = None
        if self.certificate is not None and self.manners.requires_binding:
            self.bindings = channel_bindings(self.certificate)
        self._users = users
        self._open: list[Connection] = []
        self._tls: ssl.SSLContext | None = None if identity is None else server_context(identity)

    def acceptor(self, scheme: bytes) -> Acceptor:
        """The server's side of a new login."""
        return Acceptor(self._users, scheme, self.bindings)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.get_running_loop().create_server(self._accept, "127.0.0.1", 0, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for connection in self._open:
            connection.abort()
        await self._server.wait_closed()
        while any(connection.open for connection in self._open):  # noqa: ASYNC110 - for the few turns an abort takes
            await asyncio.sleep(0)

    def _accept(self) -> Connection:
        self.connections += 1
        connection = Connection(self)
        self._open.append(connection)
        return connection
