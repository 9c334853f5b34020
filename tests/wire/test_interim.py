"""Interim answers (RFC 9110 section 15.2) say that the service is at work, and start no other clock."""

import asyncio
from asyncio import StreamWriter
from typing import Any

import pytest
from rig import serving
from several import code, says

from broker.testing.raw.reader import RawReader, read_request

SOON = 20.0
OK = says(b"ok")
INTERIM = {
    "100": b"HTTP/1.1 100 Continue\r\n\r\n",
    "102": b"HTTP/1.1 102 Processing\r\n\r\n",
    "103": b"HTTP/1.1 103 Early Hints\r\nLink: </x>; rel=preload\r\n\r\n",
}
LENIENT: Any = {"http": {"lenient": ["obs_fold"]}}


@pytest.mark.parametrize("lenient", [False, True])
@pytest.mark.parametrize("status", INTERIM)
async def test_after_an_interim_answer_the_first_byte_has_all_its_time(status: str, lenient: bool) -> None:
    async def script(reader: RawReader, writer: StreamWriter) -> None:
        await read_request(reader)
        writer.write(INTERIM[status])
        await asyncio.sleep(0.5)
        writer.write(OK)
        await writer.drain()

    upstream = {"timeouts": {"first_byte": "10s", "idle": "150ms"}, **(LENIENT if lenient else {})}
    async with asyncio.timeout(SOON), serving(script, upstream=upstream) as rig:
        assert code(await rig.call()) == (200, b"")


@pytest.mark.parametrize("lenient", [False, True])
@pytest.mark.parametrize("begun", [b"H", b"HTTP/1.1 200 OK\r\nContent-Le"])
async def test_the_first_byte_of_the_final_answer_starts_the_time_between_bytes(begun: bytes, lenient: bool) -> None:
    async def script(reader: RawReader, writer: StreamWriter) -> None:
        await read_request(reader)
        writer.write(INTERIM["102"] + begun)
        await reader.some()

    upstream = {"timeouts": {"first_byte": "60s", "idle": "150ms"}, **(LENIENT if lenient else {})}
    async with asyncio.timeout(SOON), serving(script, upstream=upstream) as rig:
        assert code(await rig.call()) == (504, b"upstream_timeout")


async def test_an_interim_answer_alone_is_not_waited_on_for_ever() -> None:
    async def script(reader: RawReader, writer: StreamWriter) -> None:
        await read_request(reader)
        writer.write(INTERIM["100"])
        await reader.some()

    upstream = {"timeouts": {"first_byte": "150ms", "idle": "60s"}}
    async with asyncio.timeout(SOON), serving(script, upstream=upstream) as rig:
        assert code(await rig.call()) == (504, b"upstream_timeout")
