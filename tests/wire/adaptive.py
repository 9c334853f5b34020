"""A service, and the limit before it that finds itself."""

import asyncio
from asyncio import StreamWriter
from typing import Any

from rig import Rig

from broker.policy.adaptive_bulkhead import AdaptiveBulkhead
from broker.testing.raw.reader import RawReader, read_request

SOON = 30.0
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
ONE: Any = {"adaptive_concurrency": {"least": 1}, "queue": {"size": 5}}


def status(line: bytes) -> bytes:
    return b"HTTP/1.1 %b\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok" % line


def bulkhead(rig: Rig) -> AdaptiveBulkhead:
    found = rig.app._compiled.registry.bulkheads["upstream", "back"][1]
    assert isinstance(found, AdaptiveBulkhead)
    return found


async def empty(place: AdaptiveBulkhead) -> None:
    while place.active:
        await asyncio.sleep(0.005)


class Service:
    """It takes the same time for each call, and answers when `go` is set."""

    def __init__(self, seconds: float = 0.0, answer: bytes = OK) -> None:
        self.seconds = seconds
        self.answer = answer
        self.begun = 0
        self.go = asyncio.Event()
        self.go.set()

    async def __call__(self, reader: RawReader, writer: StreamWriter) -> None:
        while True:
            await read_request(reader)
            self.begun += 1
            await asyncio.sleep(self.seconds)
            await self.go.wait()
            if writer.is_closing():
                return
            writer.write(self.answer)
            await writer.drain()

    async def has(self, calls: int) -> None:
        while self.begun < calls:
            await asyncio.sleep(0.005)
