"""A legacy service that is well with so many calls at a time, and breaks with more.

It is a process of its own: `python -m bench.overload.service PORT PLACES SECONDS`. Each call takes the same time while
there are no more than PLACES. Beyond that each takes longer the more are under way, as with threads that wait for the
same locks and pages, and what is completed in a second becomes less; calls then begin to fail, and at last connections
are reset. What this has cost it (swapped pages, cold caches, rolled back work) wears off slowly. A client that hangs up
makes its work no shorter.
"""

import asyncio
import json
import random
import sys
from asyncio import Transport
from time import monotonic

STEEPNESS = 1.5
"""A call takes this power of what is under way, in places, times as long."""
SICK = 2.0
"""From this many times the places on, calls fail: the share of them grows with what is under way, up to FAILING."""
FAILING = 0.6
FULL = 10
"""This many times the places is all that it takes; whoever comes then is reset."""
FAILS_IN = 0.5
"""Seconds that a failing call takes."""
STRAIN_A_CALL = 0.01
"""What each call above the places adds to the strain; 1 doubles the time of every call."""
STRAIN_MOST = 1.0
WEARS_OFF = 8.0
"""Seconds after which a third of the strain is left."""
SAMPLED = 0.1
"""Seconds between two lines about its state."""

_BODY = b'{"stock": 7}\n' + b" " * 500
_OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(_BODY), _BODY)
_ERROR = b"HTTP/1.1 500 Internal Server Error\r\nContent-Type: text/plain\r\nContent-Length: 13\r\n\r\nout of memory"


class Service:
    """What all connections share."""

    def __init__(self, places: int, work: float) -> None:
        self.places = places
        self.active = self.most = self.done = self.failed = self.reset = 0
        self._work = work
        self._strain = 0.0
        self._strained_at = monotonic()
        self._dice = random.Random(0)

    def strain(self, more: float = 0.0) -> float:
        """How worn it is now."""
        now = monotonic()
        faded = self._strain * 3.0 ** ((self._strained_at - now) / WEARS_OFF)
        self._strain, self._strained_at = min(faded + more, STRAIN_MOST), now
        return self._strain

    def begin(self) -> tuple[float, bool] | None:
        """A call came: the seconds it takes and whether it succeeds; None where it is too much."""
        if self.active >= FULL * self.places:
            self.reset += 1
            return None
        self.active += 1
        self.most = max(self.most, self.active)
        crowd = self.active / self.places
        strain = self.strain(STRAIN_A_CALL if crowd > 1 else 0.0)
        if self._dice.random() < FAILING * (crowd - SICK) / (FULL - SICK):
            return FAILS_IN, False
        return self._work * max(1.0, crowd) ** STEEPNESS * (1.0 + strain), True

    def end(self, well: bool) -> None:
        """A call is over."""
        self.active -= 1
        if well:
            self.done += 1
        else:
            self.failed += 1

    def sample(self) -> str:
        """One line about its state."""
        values = {"at": monotonic(), "active": self.active, "most": self.most, "strain": round(self.strain(), 3)}
        self.most = self.active
        return json.dumps({**values, "done": self.done, "failed": self.failed, "reset": self.reset})


class Connection(asyncio.Protocol):
    """Requests without a body, one after the other."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._transport: Transport | None = None
        self._come = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio."""
        self._transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        """asyncio."""
        self._come += data
        if b"\r\n\r\n" not in self._come or self._transport is None:
            return
        self._come = b""
        begun = self._service.begin()
        if begun is None:
            self._transport.abort()
            return
        seconds, well = begun
        asyncio.get_running_loop().call_later(seconds, self._answer, well)

    def _answer(self, well: bool) -> None:
        # The place is free before the answer is out: what counts calls by answers never sees one too many.
        self._service.end(well)
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(_OK if well else _ERROR)


async def main(port: int, places: int, work: float) -> None:
    """Serve until ended from outside."""
    service = Service(places, work)
    server = await asyncio.get_running_loop().create_server(
        lambda: Connection(service), "127.0.0.1", port, backlog=4096
    )
    async with server:
        while True:
            print(service.sample(), flush=True)
            await asyncio.sleep(SAMPLED)


if __name__ == "__main__":
    import uvloop

    uvloop.run(main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])))
