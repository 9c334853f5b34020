"""Servers on tlslite-ng, whose behaviour can be bent: it is Python."""

import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from broker.testing.legacy_tls import http, identities, loopback, programs, tlslite_api
from broker.testing.legacy_tls.case import Case, Serve, Served
from broker.testing.legacy_tls.hello import RENEGOTIATION_INFO
from broker.testing.pki import Issued

SSL3, TLS10 = (3, 0), (3, 1)
_IDLE = 30
_APPLICATION_DATA = 23
_RENEGOTIATION_SCSV = 0x00FF
Bend = Callable[[Any], None]
"""Changes the ways of one connection, a `TLSConnection` of tlslite-ng, before its handshake."""


@dataclass(frozen=True)
class Ways:
    """What a server does."""

    settings: Mapping[str, Any]
    """Attributes of tlslite-ng's HandshakeSettings."""
    answer: http.Answer = http.reply
    bends: tuple[Bend, ...] = ()
    rfc5746: bool = True
    """Whether it knows of secure renegotiation."""
    goodbye: bool = True
    """Whether it sends a close_notify."""
    whole_head: bool = False
    """Whether the first record of a request has to hold its whole head."""
    renegotiates: bool = False
    """Whether it demands a client certificate in a second handshake, after the request."""
    identity: identities.Identity = field(default_factory=identities.issued)


class _Connection:
    """A connection as `http` takes it."""

    def __init__(self, tls: Any, ways: Ways, again: Callable[[], None]) -> None:
        self._tls = tls
        self._ways = ways
        self._again = again
        self._begins = True
        self._renegotiated = False

    def read(self) -> bytes:
        # tlslite-ng hands out one record at a time.
        data = bytes(self._tls.read())
        if self._begins and data:
            if self._ways.whole_head and b"\r\n\r\n" not in data:
                raise EOFError
            if self._ways.renegotiates and not self._renegotiated:
                self._again()
                self._renegotiated = True
            self._begins = False
        return data

    def write(self, data: bytes) -> None:
        self._tls.write(data)
        self._begins = True


class _Server:
    def __init__(self, ways: Ways, issued: Issued) -> None:
        self._api = tlslite_api.module("api")
        self._ways = ways
        self._settings = self._api.HandshakeSettings()
        # Keys of any size, and none of what came after these servers.
        plain = {"minKeySize": 512, "useExtendedMasterSecret": False, "useEncryptThenMAC": False}
        for name, value in {**plain, **ways.settings}.items():
            setattr(self._settings, name, value)
        self._chain = self._api.X509CertChain()
        self._chain.parsePemList(issued.chain_pem)
        self._key = self._api.parsePEMKey(issued.key_pem, private=True)

    def handle(self, connection: socket.socket) -> None:
        """Serve one connection."""
        connection.settimeout(_IDLE)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        tls = self._api.TLSConnection(connection)
        tls.ignoreAbruptClose = True
        _forget(tls, rfc5746=self._ways.rfc5746)
        for bend in self._ways.bends:
            bend(tls)
        # Garbage from a client raises all sorts of things.
        with suppress(Exception):
            self._shake(tls, asks=False)
            http.converse(_Connection(tls, self._ways, lambda: self._renegotiate(tls)), self._ways.answer)
            if self._ways.goodbye:
                tls.close()

    def _shake(self, tls: Any, *, asks: bool) -> None:
        roots = [bytearray(identities.authority().certificate.subject.public_bytes())] if asks else None
        tls.handshakeServer(
            certChain=self._chain, privateKey=self._key, settings=self._settings, reqCert=asks, reqCAs=roots
        )

    def _renegotiate(self, tls: Any) -> None:
        messages = tlslite_api.module("messages")
        for _ in tls._sendMsg(messages.HelloRequest().create()):  # noqa: SLF001
            pass
        # It takes a handshake for the first one when the connection counts as closed; the keys stay in place.
        tls.closed = True
        self._shake(tls, asks=True)
        if tls.session.clientCertChain is None:
            raise EOFError


def _forget(tls: Any, *, rfc5746: bool) -> None:
    """Know no extension of a ClientHello, or secure renegotiation alone."""
    get = tls._getMsg  # noqa: SLF001
    hello = tlslite_api.module("messages").ClientHello

    def forgetful(*expected: Any) -> Iterator[Any]:
        for result in get(*expected):
            if isinstance(result, hello):
                known = [each for each in result.extensions or () if rfc5746 and each.extType == RENEGOTIATION_INFO]
                result.extensions = known
                if not rfc5746:
                    result.cipher_suites = [suite for suite in result.cipher_suites if suite != _RENEGOTIATION_SCSV]
            yield result

    tls._getMsg = forgetful  # noqa: SLF001


def without_empty_records(tls: Any) -> None:
    """Fail on an empty record of application data."""
    read = tls._getNextRecord  # noqa: SLF001

    def checked() -> Iterator[Any]:
        for result in read():
            if result not in (0, 1) and result[0].type == _APPLICATION_DATA and not result[1].bytes:
                raise EOFError
            yield result

    tls._getNextRecord = checked  # noqa: SLF001


def in_tiny_records(tls: Any) -> None:
    """Split whatever is sent over records of 16 bytes."""
    tls.recordSize = 16


def tlslite_server(ways: Ways, tls: Mapping[str, Any]) -> Serve:
    """A server that goes these ways."""

    @contextmanager
    def serve(directory: Path) -> Iterator[Served]:
        issued = ways.identity()
        shows = identities.client_settings(directory) if ways.renegotiates else {}
        with loopback.serving(_Server(ways, issued).handle) as port:
            ca = identities.root(directory, issued)
            yield Served("127.0.0.1", port, http.BODY, ca, issued.sha256, {**tls, **shows})

    return serve


def case(name: str, title: str, ways: Ways, **tls: Any) -> Case:
    """A case for tlslite-ng."""
    return Case(name, title, tlslite_server(ways, {"profile": "obsolete", **tls}), (programs.TLSLITE,))
