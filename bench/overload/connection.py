"""A kept connection of the load client, which carries one call at a time."""

import asyncio
from asyncio import Transport
from collections.abc import Callable

import httptools

RESET, GAVE_UP = 0, -1
"""Outcomes beside the statuses: the connection ended first; the client ran out of patience."""

Told = Callable[[int, int | None], None]
"""(status or outcome, `Retry-After` in seconds)."""


class Connection(asyncio.Protocol):
    """`idle` is given this connection whenever it is free for another call."""

    def __init__(self, idle: "Callable[[Connection], None]") -> None:
        self.transport: Transport | None = None
        self._idle = idle
        self._told: Told | None = None
        self._after: int | None = None
        self._parser = httptools.HttpResponseParser(self)

    @property
    def alive(self) -> bool:
        """Whether a call can be made on it."""
        return self.transport is not None and not self.transport.is_closing()

    def call(self, request: bytes, told: Told) -> None:
        """Make a call; `told` hears how it ended, once."""
        if self.transport is None or self.transport.is_closing():
            told(RESET, None)
            return
        self._told, self._after = told, None
        self._parser = httptools.HttpResponseParser(self)
        self.transport.write(request)

    def give_up(self) -> None:
        """The client waits no longer."""
        self._tell(GAVE_UP)
        if self.transport is not None:
            self.transport.abort()

    def _tell(self, outcome: int) -> None:
        told, self._told = self._told, None
        if told is not None:
            told(outcome, self._after)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio."""
        self.transport = transport  # type: ignore[assignment]

    def connection_lost(self, exc: Exception | None) -> None:
        """asyncio."""
        self.transport = None
        self._tell(RESET)

    def data_received(self, data: bytes) -> None:
        """asyncio."""
        self._parser.feed_data(data)

    def on_header(self, name: bytes, value: bytes) -> None:
        """httptools."""
        if name.lower() == b"retry-after" and value.isdigit():
            self._after = int(value)

    def on_message_complete(self) -> None:
        """httptools."""
        keeps = self._parser.should_keep_alive()
        self._tell(self._parser.get_status_code())
        if keeps:
            self._idle(self)
        elif self.transport is not None:
            self.transport.close()
