"""The tlslite engine beside an event loop."""

import asyncio
import gc
import os
import ssl
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tlslite_pairs import (
    BASE,
    GCM,
    MAKER,
    OLD_CA,
    context,
    everything,
    pair,
    written,
)

from broker.tls import tlslite
from broker.tls.engine import ClientTls, TlsEngine
from broker.tls.errors import TlsFailure
from broker.tls.options import Trust
from broker.tls.stream import SecureStream

BODY = os.urandom(100_000)


class Endpoint(SecureStream):
    """A stream that notes what happens to it."""

    def __init__(self, engine: TlsEngine, ready: asyncio.Event) -> None:
        super().__init__(engine)
        self.ready = ready
        self.data = b""
        self.failure: TlsFailure | None = None

    def established(self) -> None:
        self.ready.set()

    def received(self, data: bytes) -> None:
        self.data += data

    def ended(self, clean: bool) -> None:
        self.close()

    def tls_failed(self, failure: TlsFailure) -> None:
        self.failure = failure
        self.ready.set()


async def serve(served: ssl.SSLContext) -> tuple[asyncio.Server, int]:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                writer.write(data)
        except (OSError, ssl.SSLError):
            pass
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0, ssl=served)
    return server, server.sockets[0].getsockname()[1]


async def connect(maker: ClientTls, port: int) -> Endpoint:
    ready = asyncio.Event()
    loop = asyncio.get_running_loop()
    engine = maker.engine("erp.test", "127.0.0.1", port)
    _, endpoint = await loop.create_connection(lambda: Endpoint(engine, ready), "127.0.0.1", port)
    return endpoint


def watched(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The threads that handshake steps run in."""
    from broker.tls.tlslite.stepper import Stepper

    threads: list[int] = []
    step: Callable[[Any], Any] = Stepper._step

    def noted(engine: Any) -> Any:
        threads.append(threading.get_ident())
        return step(engine)

    monkeypatch.setattr(Stepper, "_step", noted)
    return threads


async def test_the_handshake_runs_beside_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    threads = watched(monkeypatch)
    server, port = await serve(context(version="TLSv1", ciphers="AES128-SHA"))
    async with server:
        endpoints = [await connect(MAKER, port) for _ in range(6)]
        async with asyncio.timeout(5):
            for endpoint in endpoints:
                await endpoint.ready.wait()
                assert endpoint.failure is None
                endpoint.send(BODY)
            while not all(len(endpoint.data) == 100_000 for endpoint in endpoints):
                await asyncio.sleep(0.01)
        assert all(endpoint.data == BODY for endpoint in endpoints)
        for endpoint in endpoints:
            endpoint.close()
    assert len(threads) >= 12
    assert threading.get_ident() not in threads


async def test_a_failure_beside_the_loop_reaches_the_stream(tmp_path: Path) -> None:
    server, port = await serve(GCM)
    maker = tlslite.client_tls(replace(BASE, trust=Trust(written(tmp_path, OLD_CA))))
    async with server:
        endpoint = await connect(maker, port)
        async with asyncio.timeout(5):
            await endpoint.ready.wait()
        assert endpoint.failure is not None
        assert endpoint.failure.reason == "CERTIFICATE_VERIFY_FAILED"


async def test_a_connection_may_be_closed_in_the_middle_of_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    from broker.tls.tlslite.stepper import Stepper

    entered, go_on = threading.Event(), threading.Event()
    step: Callable[[Any], Any] = Stepper._step

    def slow(engine: Any) -> Any:
        entered.set()
        go_on.wait(5)
        return step(engine)

    monkeypatch.setattr(Stepper, "_step", slow)
    woken: list[None] = []
    closed = MAKER.engine("erp.test", "erp.test", 443)
    closed.attach(lambda: woken.append(None))
    forgotten = MAKER.engine("erp.test", "erp.test", 443)
    forgotten.attach(lambda: woken.append(None))
    assert not closed.handshake()
    assert not forgotten.handshake()
    await asyncio.to_thread(entered.wait, 5)
    for engine in (closed, forgotten):
        # Nothing of a step is seen before it is done.
        engine.feed(b"\x15\x03\x01\x00\x02\x02\x28")
        assert not engine.handshake()
        assert engine.outgoing() == b""
    assert closed.close() == b""
    go_on.set()
    async with asyncio.timeout(5):
        while not woken:
            await asyncio.sleep(0.001)
        assert forgotten.outgoing().startswith(b"\x16\x03")
        assert not forgotten.handshake()
        while len(woken) < 2:
            await asyncio.sleep(0.001)
    with pytest.raises(TlsFailure) as raised:
        forgotten.handshake()
    assert raised.value.reason == "SSLV3_ALERT_HANDSHAKE_FAILURE"
    assert not closed.handshake()
    assert closed.outgoing() == b""


def test_a_step_may_outlive_its_loop() -> None:
    engine = MAKER.engine("erp.test", "erp.test", 443)

    async def start() -> None:
        engine.attach(lambda: None)
        assert not engine.handshake()

    asyncio.run(start())


async def test_a_finished_connection_leaves_nothing_to_the_collector() -> None:
    from broker.tls.tlslite.client import Client
    from broker.tls.tlslite.engine import TlsliteEngine

    def live() -> None:
        engine, server = pair()
        engine.feed(server.write(b"data") + server.close())
        everything(engine)
        engine.close()
        broken = MAKER.engine("erp.test", "erp.test", 443)
        broken.feed(b"HTTP/1.1 400 Bad Request")
        with pytest.raises(TlsFailure):
            broken.handshake() or broken.handshake()

    def there() -> list[object]:
        return [each for each in gc.get_objects() if isinstance(each, Client | TlsliteEngine)]

    gc.collect()
    gc.disable()
    try:
        # A thread of a test before this one may still hold on to its own.
        before = there()
        live()
        assert not [each for each in there() if not any(each is old for old in before)]
    finally:
        gc.enable()


def test_arithmetic_is_that_of_pow() -> None:
    from broker.tls.tlslite.exchange import power

    for bits in (1, 3, 64, 257):
        exponent = int.from_bytes(os.urandom(40), "big") >> 320 - bits
        modulus = int.from_bytes(os.urandom(128), "big") | 1
        assert power(3, exponent, modulus) == pow(3, exponent, modulus)
