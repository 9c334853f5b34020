"""What a handshake costs the client's engine, and the server, in full and resumed."""

import time
from typing import Any

from bench.obsolete.client import connect, maker, on_core
from bench.obsolete.effort import Effort
from bench.obsolete.place import Place, cpu_of
from bench.obsolete.ways import Way

SUITES = ("aes", "dhe")
KINDS = ("full", "resumed")


def run(place: Place, effort: Effort) -> dict[str, dict[str, Any]]:
    """CPU µs of a connection from TCP to close_notify, in this process and in the server."""
    with on_core(place.cores.proxy):
        return {
            way.name: {kind: _measure(place, way, kind, effort) for kind in KINDS}
            for way in place.ways
            if way.suite in SUITES
        }


def _measure(place: Place, way: Way, kind: str, effort: Effort) -> dict[str, Any]:
    server = place.servers[way.server]
    tls = maker(place, way, session_reuse=kind == "resumed")
    resumed = 0
    for number in range(-5, effort.handshakes):
        if number == 0:
            resumed, ours, theirs = 0, time.thread_time(), cpu_of(server)
        connection, engine = connect(tls, server.port)
        resumed += engine.resumed()
        with connection:
            connection.sendall(engine.close())
    spent = time.thread_time() - ours
    wanted = effort.handshakes if kind == "resumed" else 0
    return {
        "client_us": 1e6 * spent / effort.handshakes,
        "server_us": 1e6 * (cpu_of(server) - theirs) / effort.handshakes,
        "as_wanted": resumed == wanted,
    }
