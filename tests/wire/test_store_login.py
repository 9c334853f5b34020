"""The password of the shared limits' store stays out of log and metrics, whatever a server answers to the login."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from broker.testing.raw import RawUpstream
from broker.testing.raw.reader import RawReader

StartBroker = Callable[..., Awaitable[Any]]
SOON = 20.0
PASSWORD = "s3cr3t-of-the-store"
NOT_QUOTED = [
    b"-ERR invalid password '%b'\r\n",
    b"-ERR unknown command 'AUTH', with args beginning with: '%b'\r\n",
    b"-ERR %b\r\n",
    b"-WRONGPASS %b is wrong\r\n",
    b"-NOAUTH %b\r\n",
    b"-NOPERM %b\r\n",
    b"-LOADING %b\r\n",
    b"-READONLY %b\r\n",
    b"-OOM %b\r\n",
    b"-MOVED %b\r\n",
    b"-MOVED 1 %b:1\r\n",
    b"-ASK 1 %b:1\r\n",
    b"-CLUSTERDOWN %b\r\n",
    b"-NOSCRIPT %b\r\n",
    b"-%b\r\n",
    b"+%b\r\n",
    b"%b\r\n",
    b":%b\r\n",
    b"$%b\r\n",
    b"*%b\r\n",
    b"*2\r\n+%b\r\n-ERR %b\r\n",
    b"HTTP/1.1 400 Bad Request\r\nX: %b\r\n\r\n",
    b"+OK\r\n%b\r\n",
    b"+OK\r\n:%b\r\n",
    b"+OK\r\n+%b\r\n+%b\r\n",
    b"%b",
]


class Quoting:
    """Says what it was sent, in some form, to the login, and closes."""

    def __init__(self, form: bytes) -> None:
        self.form = form
        self.sent = b""

    async def __call__(self, reader: RawReader, writer: Any) -> None:
        self.sent = await reader.some()
        writer.write(self.form.replace(b"%b", PASSWORD.encode()))
        await writer.drain()


@pytest.mark.parametrize("form", NOT_QUOTED)
async def test_what_a_store_quotes_of_the_login_goes_nowhere(
    form: bytes, broker: StartBroker, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server = Quoting(form)
    async with asyncio.timeout(SOON), RawUpstream(server) as store:
        limits = {"store": f"redis://broker@127.0.0.1:{store.port}", "store_password": "env:STORE"}
        running = await broker(limits=limits, route={"rate": "100/s"}, env={"STORE": PASSWORD})
        while not any(vars(record).get("event") == "limits_store_away" for record in caplog.records):
            await asyncio.sleep(0.01)
        metrics = await scraped(running)
    assert PASSWORD.encode() in server.sent
    assert "broker_limits_store_up" in metrics
    everything = metrics + "".join(str(vars(record)) for record in caplog.records)
    assert PASSWORD not in everything


async def scraped(running: Any) -> str:
    """The metrics page."""
    host, port = running.app.admin.address
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(b"GET /metrics HTTP/1.0\r\nHost: %b\r\n\r\n" % host.encode())
    page = (await reader.read()).decode()
    writer.close()
    await writer.wait_closed()
    return page
