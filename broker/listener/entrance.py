"""Where connections come in: each is let in or reset before anything is made for it."""

import asyncio
from collections.abc import Callable
from typing import cast

from broker.tls.stream import reset


class Entrance(asyncio.Protocol):
    """The first protocol of every connection of a listener; it keeps nothing, so one serves them all."""

    def __init__(self, admit: Callable[[str], asyncio.Protocol | None]) -> None:
        """`admit`: what goes on with a connection from an address; None resets it."""
        self._admit = admit

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        address = transport.get_extra_info("peername")
        connection = self._admit(address[0] if address else "")
        if connection is None:
            reset(cast("asyncio.Transport", transport))
            return
        transport.set_protocol(connection)
        connection.connection_made(transport)
