"""The engine alone: ciphertext out of memory is decrypted, plaintext is encrypted into nowhere."""

import socket
import time
from typing import Any

from bench.obsolete.client import READ, connect, maker, on_core
from bench.obsolete.effort import MB, Effort
from bench.obsolete.place import Place
from bench.obsolete.ways import Way
from broker.tls.engine import TlsEngine

SUITES = ("3des", "rc4")


def run(place: Place, effort: Effort) -> dict[str, dict[str, Any]]:
    """MB a second of CPU time, by way and direction."""
    found: dict[str, dict[str, Any]] = {}
    with on_core(place.cores.proxy):
        for way in place.ways:
            if way.suite in SUITES:
                found[way.name] = {"down": _decrypts(place, way, effort), "up": _encrypts(place, way, effort)}
    return found


def _decrypts(place: Place, way: Way, effort: Effort) -> float:
    """The server's answer is received as it is, and only then given to the engine."""
    connection, engine = connect(maker(place, way), place.servers[way.server].port)
    request = f"GET /bytes/{effort.raw_bytes} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    with connection:
        connection.sendall(engine.write(request.encode()))
        chunks = []
        while chunk := connection.recv(READ, socket.MSG_WAITALL):
            chunks.append(chunk)
    begun, size = time.thread_time(), 0
    for chunk in chunks:
        engine.feed(chunk)
        size += _drain(engine)
    spent = time.thread_time() - begun
    if size < effort.raw_bytes:
        raise RuntimeError(f"{way.name}: {size} bytes of {effort.raw_bytes} came out of the engine")
    return size / MB / spent


def _drain(engine: TlsEngine) -> int:
    size = 0
    while data := engine.read():
        size += len(data)
    return size


def _encrypts(place: Place, way: Way, effort: Effort) -> float:
    connection, engine = connect(maker(place, way), place.servers[way.server].port)
    block = bytes(READ)
    with connection:
        begun = time.thread_time()
        for _ in range(effort.raw_bytes // READ):
            engine.write(block)
        return effort.raw_bytes / MB / (time.thread_time() - begun)
