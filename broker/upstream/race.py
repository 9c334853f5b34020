"""All addresses of one name, tried in a staggered row: one that swallows packets does not cost the others their turn.

This is what RFC 8305 (Happy Eyeballs) asks for, but for its sorting, which the resolver does (RFC 6724).
"""

import asyncio
import socket
from collections.abc import Coroutine, Sequence
from itertools import zip_longest
from typing import Any, Final

Address = tuple[int, int, int, str, Any]
"""As `getaddrinfo` gives them: family, type, protocol, canonical name, address."""

STAGGER: Final = 0.25
"""Seconds that an address has to itself: the Connection Attempt Delay of RFC 8305 section 5."""


async def first_connected(addresses: Sequence[Address]) -> socket.socket:
    """A non-blocking socket to the first that takes a connection; raises `OSError` where none does."""
    if len(addresses) == 1:
        return await _attempt(addresses[0])
    waiting = interleaved(addresses)
    racing: set[asyncio.Task[socket.socket]] = set()
    failure: BaseException = OSError("the name has no address")
    try:
        while waiting or racing:
            if waiting:
                racing.add(asyncio.create_task(_attempt(waiting.pop(0))))
            await asyncio.wait(racing, timeout=STAGGER if waiting else None, return_when=asyncio.FIRST_COMPLETED)
            for attempt in [attempt for attempt in racing if attempt.done()]:
                error = attempt.exception()
                racing.discard(attempt)
                if error is None:
                    return attempt.result()
                failure = error
    finally:
        for attempt in racing:
            attempt.cancel()
            attempt.add_done_callback(_close)
    try:
        raise failure
    finally:
        # Else the error and this frame would keep each other.
        del failure


def interleaved(addresses: Sequence[Address]) -> list[Address]:
    """The families by turns, each in its order (RFC 8305 section 4)."""
    preferred = [each for each in addresses if each[0] == addresses[0][0]]
    others = [each for each in addresses if each[0] != addresses[0][0]]
    return [each for pair in zip_longest(preferred, others) for each in pair if each is not None]


def _attempt(to: Address) -> Coroutine[Any, Any, socket.socket]:
    family, kind, protocol, _, address = to
    return connected(address, family, kind, protocol)


async def connected(address: Any, family: int, kind: int = socket.SOCK_STREAM, protocol: int = 0) -> socket.socket:
    """A non-blocking socket that is connected to an address; raises `OSError`."""
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.get_running_loop().sock_connect(sock, address)
    except BaseException:
        sock.close()
        raise
    return sock


def _close(late: "asyncio.Task[socket.socket]") -> None:
    """A connection that came after another one, or after everybody had left."""
    if not late.cancelled() and late.exception() is None:
        late.result().close()
