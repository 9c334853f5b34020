"""New connections to a target: name, TCP, TLS, pin; and errors that say what to change."""

import asyncio
import socket
from collections.abc import Callable
from typing import Final

from broker.core.alarms import AlarmWheel
from broker.core.errors import BrokerError
from broker.tls.engine import ClientTls
from broker.tls.errors import TlsFailure
from broker.tls.explain import explain
from broker.tls.names import check_name
from broker.tls.pins import check_pin
from broker.upstream.connection import UpstreamConnection
from broker.upstream.origin import Origin, UpstreamSettings
from broker.upstream.race import first_connected

Released = Callable[[UpstreamConnection], None]

_CUT: Final = frozenset({"UNEXPECTED_EOF", "UNEXPECTED_EOF_WHILE_READING", "CONNECTION_RESET", "TIMEOUT"})


class HandshakeCut(BrokerError):
    """TLS failed as the connection ended, or nothing came of it in time: another one may do better.

    What either side says against the other's certificate or protocol is said again the next time, and is no such thing.
    """


async def dial(origin: Origin, settings: UpstreamSettings, wheel: AlarmWheel, released: Released) -> UpstreamConnection:
    """Connect within `settings.connect` seconds, TLS included. Raises `BrokerError`."""
    end = asyncio.get_running_loop().time() + settings.connect
    try:
        async with asyncio.timeout_at(end):
            sock = await _connect(origin)
    except TimeoutError:
        raise BrokerError("upstream_connect_failed", "The upstream did not accept a connection in time.") from None
    except OSError as error:
        raise BrokerError("upstream_connect_failed", _why(error), cause=str(error)) from None
    return await _establish(origin, sock, settings, wheel, released, end)


async def _connect(origin: Origin) -> socket.socket:
    """A connected non-blocking socket to one of the name's addresses."""
    loop = asyncio.get_running_loop()
    return await first_connected(await loop.getaddrinfo(origin.host, origin.port, type=socket.SOCK_STREAM))


async def _establish(
    origin: Origin, sock: socket.socket, settings: UpstreamSettings, wheel: AlarmWheel, released: Released, end: float
) -> UpstreamConnection:
    loop = asyncio.get_running_loop()
    tls = origin.tls
    try:
        engine = None if tls is None else tls.engine(origin.server_name, origin.host, origin.port)
        _, connection = await loop.create_connection(
            lambda: UpstreamConnection(engine, sock, settings, wheel, released, None if tls is None else tls.options),
            sock=sock,
        )
    except BaseException:
        sock.close()
        raise
    if tls is None:
        return connection
    try:
        async with asyncio.timeout_at(end):
            await connection.ready()
        _check_certificate(_certificate(connection), origin, tls)
    except BaseException as error:
        connection.abort()
        failure = _tls_failure(error)
        if failure is None:
            raise
        raise _explained(failure, tls) from None
    return connection


def _check_certificate(certificate: bytes | None, origin: Origin, tls: ClientTls) -> None:
    options = tls.options
    trust = options.trust
    if trust.pins:
        check_pin(certificate, trust.pins, modern=options.profile == "modern")
    elif trust.name and not tls.checks_name:
        check_name(certificate, origin.name, common_name=trust.common_name)


def _tls_failure(error: BaseException) -> TlsFailure | None:
    if isinstance(error, TlsFailure):
        return error
    if isinstance(error, TimeoutError):
        return TlsFailure("TIMEOUT", "the TLS handshake timed out")
    if isinstance(error, OSError):
        return TlsFailure("CONNECTION_RESET", str(error))
    return None


def _explained(failure: TlsFailure, tls: ClientTls) -> BrokerError:
    kind = HandshakeCut if failure.reason in _CUT else BrokerError
    return kind("upstream_tls_failed", explain(failure, tls.options), cause=f"{failure.reason}: {failure.message}")


def _why(error: OSError) -> str:
    if isinstance(error, ConnectionRefusedError):
        return "The upstream refused the connection."
    if isinstance(error, socket.gaierror):
        return "The upstream's name cannot be resolved."
    return "The upstream cannot be reached."


def _certificate(connection: UpstreamConnection) -> bytes | None:
    engine = connection.engine
    return None if engine is None else engine.peer_certificate()
