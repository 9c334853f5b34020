"""A place among the calls under way is given back once, however a call ends."""

import asyncio
from asyncio import StreamWriter
from typing import Any

import pytest
from adaptive import OK, ONE, SOON, bulkhead, empty, status
from rig import GET, serving

from broker.policy.adaptive_bulkhead import AdaptiveBulkhead
from broker.testing.raw.reader import RawReader, read_request


async def cut(reader: RawReader, writer: StreamWriter) -> None:
    """No answer."""
    await read_request(reader)


async def cut_in_the_body(reader: RawReader, writer: StreamWriter) -> None:
    """Half an answer."""
    await read_request(reader)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")
    await writer.drain()


async def silent(reader: RawReader, writer: StreamWriter) -> None:
    """No answer, until the caller has left."""
    await read_request(reader)
    await asyncio.sleep(0.2)
    writer.write(OK)


TWICE: Any = {"retry": {"attempts": 2, "on": ["503", "reset"], "backoff": "1ms"}}


@pytest.mark.parametrize(
    ("script", "settings"),
    [
        (OK, {}),
        (status(b"503 Busy"), {}),
        ([status(b"503 Busy"), OK], TWICE),
        (cut, {}),
        (cut, TWICE),
        (cut_in_the_body, {}),
        (silent, {}),
        (silent, {"timeouts": {"first_byte": "50ms"}}),
        (OK, {"targets": ["http://127.0.0.1:9"]}),
    ],
)
@pytest.mark.parametrize("stays", [True, False])
async def test_a_place_is_given_back_once(
    script: Any, settings: Any, stays: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    left: list[int] = []
    leave = AdaptiveBulkhead.leave

    def noting(place: AdaptiveBulkhead) -> None:
        leave(place)
        left.append(place.active)

    monkeypatch.setattr(AdaptiveBulkhead, "leave", noting)
    async with asyncio.timeout(SOON), serving(script, upstream=ONE | settings) as rig:
        async with rig.caller() as caller:
            await caller.send(GET)
            if stays:
                await caller.recv_until_close() if script is cut_in_the_body else await caller.recv_response()
            else:
                while not (bulkhead(rig).active or left):
                    await asyncio.sleep(0.001)
        await empty(bulkhead(rig))
    assert left == [0]
