"""One TCP connection: a hello goes out, and whatever comes back is read."""

import asyncio
import socket
from dataclasses import dataclass, field
from enum import StrEnum
from time import monotonic
from typing import Final

from broker.probe.budget import Budget
from broker.probe.flight import Flight
from broker.probe.hello import CLOSE_NOTIFY
from broker.upstream.race import connected

_CHUNK: Final = 16 * 1024
_MOST: Final = 256 * 1024

Place = tuple[socket.AddressFamily, tuple[str, int] | tuple[str, int, int, int]]
"""A resolved address."""


class Kind(StrEnum):
    """What came of a connection."""

    HELLO = "hello"
    ALERT = "alert"
    FOREIGN = "foreign"
    SSLV2 = "sslv2"
    MALFORMED = "malformed"
    CLOSED = "closed"
    RESET = "reset"
    SILENT = "silent"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"


@dataclass(slots=True)
class Reply:
    """What came of one connection, and in how many seconds."""

    kind: Kind
    flight: Flight = field(default_factory=Flight)
    seconds: float = 0.0
    connected: bool = True
    connect_seconds: float = 0.0
    why: str = ""
    """What the system said of a connection that was not made."""

    @property
    def said(self) -> str:
        """In words."""
        if self.kind is Kind.ALERT:
            return f"alert {self.flight.alert}"
        return _WORDS.get(self.kind, self.kind.value)


_WORDS: Final = {
    Kind.CLOSED: "closed the connection",
    Kind.RESET: "reset the connection",
    Kind.SILENT: "said nothing",
    Kind.FOREIGN: "answered with something that is not TLS",
    Kind.MALFORMED: "answered with malformed TLS",
    Kind.REFUSED: "refused the connection",
    Kind.UNREACHABLE: "could not be reached",
    Kind.SSLV2: "answered with SSLv2",
}


async def resolve(host: str, port: int, seconds: float) -> list[Place]:
    """The addresses of a host; raises `OSError` or `TimeoutError`."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(seconds):
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [(family, address) for family, _, _, _, address in found]  # type: ignore[misc]


async def connect(place: Place) -> socket.socket:
    """A connected socket that does not block; raises `OSError`."""
    family, address = place
    return await connected(address, family)


async def ask(place: Place, budget: Budget, first: bytes, *, whole: bool = False) -> Reply:
    """Send `first` and read the answer: up to the ServerHello, or with `whole` to the end of the flight."""
    async with budget.connection():
        start = monotonic()
        reply = await _converse(place, min(budget.timeout, budget.left), first, whole=whole)
        reply.seconds = monotonic() - start
    return reply


async def _converse(place: Place, seconds: float, first: bytes, *, whole: bool) -> Reply:
    flight = Flight()
    sock: socket.socket | None = None
    start = monotonic()
    try:
        async with asyncio.timeout(seconds):
            sock = await connect(place)
            connected = monotonic() - start
            return Reply(await _exchange(sock, first, flight, whole=whole), flight, connect_seconds=connected)
    except TimeoutError:
        if sock is None:
            return Reply(Kind.UNREACHABLE, flight, connected=False, why="no answer in time")
        return Reply(_kind(flight, Kind.SILENT), flight)
    except ConnectionRefusedError:
        return Reply(Kind.REFUSED, flight, connected=False)
    except ConnectionError:
        return Reply(_kind(flight, Kind.RESET), flight)
    except OSError as error:
        if sock is None:
            return Reply(Kind.UNREACHABLE, flight, connected=False, why=error.strerror or "")
        return Reply(_kind(flight, Kind.RESET), flight)
    finally:
        if sock is not None:
            sock.close()


async def _exchange(sock: socket.socket, first: bytes, flight: Flight, *, whole: bool) -> Kind:
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(sock, first)
    while not flight.over and not (flight.hello and not whole) and flight.size < _MOST:
        data = await loop.sock_recv(sock, _CHUNK)
        if not data:
            return _kind(flight, Kind.CLOSED)
        flight.feed(data)
        if b"\n" in flight.foreign:
            break
    if flight.hello is not None:
        await loop.sock_sendall(sock, CLOSE_NOTIFY)
    return _kind(flight, Kind.SILENT)


def _kind(flight: Flight, otherwise: Kind) -> Kind:
    if flight.hello is not None:
        return Kind.HELLO
    if flight.alert is not None:
        return Kind.ALERT
    if flight.sslv2:
        return Kind.SSLV2
    if flight.foreign:
        return Kind.FOREIGN
    return Kind.MALFORMED if flight.malformed else otherwise
