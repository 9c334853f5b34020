"""An engine on a blocking socket, without a broker around it: what the engine alone costs."""

import contextlib
import os
import socket
from collections.abc import Iterator

from bench.obsolete.place import Place
from bench.obsolete.ways import Way
from broker.config.upstream_tls import UpstreamTls
from broker.tls.engine import ClientTls, TlsEngine
from broker.tls.engines import client_tls
from broker.tls.profiles import options_of

READ = 65536


@contextlib.contextmanager
def on_core(core: int) -> Iterator[None]:
    """This thread runs on one core in the block."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def maker(place: Place, way: Way, *, session_reuse: bool = False) -> ClientTls:
    """The maker of a way's engines."""
    tls = UpstreamTls.model_validate(
        {**way.tls, "ca": str(place.identity.ca), "session_reuse": session_reuse}, context={"base": place.directory}
    )
    return client_tls(options_of(tls), way.engine)


def connect(tls: ClientTls, port: int) -> tuple[socket.socket, TlsEngine]:
    """A connection with its handshake done."""
    connection = socket.create_connection(("127.0.0.1", port), 10)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    engine = tls.engine(None, "127.0.0.1", port)
    while not engine.handshake():
        connection.sendall(engine.outgoing())
        data = connection.recv(READ)
        if not data:
            raise ConnectionError("the server closed the connection during the handshake")
        engine.feed(data)
    connection.sendall(engine.outgoing())
    return connection, engine
