"""tlslite's client with what obsolete servers need: its handshake, our hello, messages, records and judgement."""

from collections.abc import Iterator
from typing import Any, Final

from tlslite.constants import (
    AlertDescription,
    AlertLevel,
    CipherSuite,
    ContentType,
    ExtensionType,
    HandshakeType,
)
from tlslite.errors import TLSAbruptCloseError
from tlslite.handshakesettings import HandshakeSettings
from tlslite.messages import (
    Alert,
    CertificateRequest,
    ChangeCipherSpec,
    Finished,
    NewSessionTicket1_0,
    ServerHello,
    ServerHelloDone,
    ServerKeyExchange,
)
from tlslite.session import Session
from tlslite.tlsconnection import TLSConnection
from tlslite.utils.codec import Parser
from tlslite.x509 import X509
from tlslite.x509certchain import X509CertChain

from broker.tls.errors import TlsFailure
from broker.tls.tlslite.alerts import received
from broker.tls.tlslite.certificates import Judge
from broker.tls.tlslite.exchange import ClientKey, FiniteFieldExchange
from broker.tls.tlslite.hello import HelloMaker
from broker.tls.tlslite.records import Records, Wire

_SSL3: Final = (3, 0)
_TLS1: Final = (3, 1)
_PENDING: Final = (0, 1)

Steps = Iterator[Any]
"""A handshake in steps: 0 for as long as more ciphertext is needed, then what came of it."""


class Certificate(X509):  # type: ignore[misc]
    """A certificate that is not parsed: tlslite's parser knows too few of the old algorithms."""

    def __init__(self, der: bytes) -> None:
        super().__init__()
        self.bytes = bytearray(der)
        self.certAlg = "rsa"


class _Certificates:
    """The server's Certificate message."""

    def __init__(self, parser: Parser) -> None:
        parser.startLengthCheck(3)
        rest = Parser(parser.getVarBytes(3))
        chain = []
        while rest.getRemainingLength():
            chain.append(Certificate(rest.getVarBytes(3)))
        parser.stopLengthCheck()
        self.cert_chain = X509CertChain(chain)


class Client(TLSConnection):  # type: ignore[misc]
    """One connection's handshake; the records after it are the engine's."""

    def __init__(
        self,
        wire: Wire,
        hellos: HelloMaker,
        judge: Judge,
        *,
        server_name: str | None,
        session: Session | None,
        legacy_renegotiation: bool,
    ) -> None:
        super().__init__(wire)
        self._recordLayer = Records(self.sock, wire)
        self._hellos = hellos
        self._judge = judge
        self._server_name = server_name
        self._offered = session
        self._legacy_renegotiation = legacy_renegotiation
        self._session_id = bytearray()

    def __repr__(self) -> str:
        return "Client()"

    @property
    def records(self) -> Records:
        """The record layer, with the keys in it."""
        return self._recordLayer

    def steps(self, settings: HandshakeSettings, chain: X509CertChain | None, key: ClientKey | None) -> Steps:
        """The handshake: 0 for as long as more ciphertext is needed."""
        return iter(self.handshakeClientCert(chain, key, session=self._offered, settings=settings, async_=True))

    # What follows overrides tlslite's protected steps; the names and parameters are its own.

    def _clientSendClientHello(self, settings: HandshakeSettings, session: Session | None, *_: object) -> Steps:  # noqa: N802
        hello = self._hellos.hello(self._server_name, session, self._sigHashesToList(settings))
        self._session_id = hello.session_id
        # As OpenSSL does: some servers hang up on a first record that calls itself newer.
        self.version = min(settings.maxVersion, _TLS1)
        yield from self._sendMsg(hello)
        yield hello

    def _clientGetServerHello(self, settings: HandshakeSettings, session: Session | None, hello: Any) -> Steps:  # noqa: N802
        result: Any = None
        for result in super()._clientGetServerHello(settings, session, hello):
            if result in _PENDING:
                yield result
        if self.version == _SSL3 and result.extensions:
            # None but this one means anything there: SSLv3 has no extended master secret, whatever the server says.
            result.extensions = [each for each in result.extensions if each.extType == ExtensionType.renegotiation_info]
        if not self._legacy_renegotiation and not result.getExtension(ExtensionType.renegotiation_info):
            yield from self._fail(
                AlertDescription.handshake_failure,
                TlsFailure("UNSAFE_LEGACY_RENEGOTIATION_DISABLED", "the server lacks secure renegotiation (RFC 5746)"),
            )
        yield result

    def _clientResume(self, session: Session | None, serverHello: Any, *rest: Any) -> Steps:  # noqa: N802, N803
        # tlslite takes any answer to a ticket for a resumption.
        if session is not None and self._session_id and serverHello.session_id == self._session_id:
            yield from super()._clientResume(session, serverHello, *rest)

    def _clientKeyExchange(self, settings: HandshakeSettings, cipherSuite: int, *rest: Any) -> Steps:  # noqa: N802, N803
        *others, exchange = rest
        if cipherSuite in CipherSuite.dhAllSuites:
            exchange = FiniteFieldExchange(cipherSuite, exchange.clientHello, exchange.serverHello, None)
        return iter(super()._clientKeyExchange(settings, cipherSuite, *others, exchange))

    def _clientGetKeyFromChain(self, certificate: _Certificates, *_: object) -> Steps:  # noqa: N802
        chain = certificate.cert_chain
        try:
            if not chain.x509List:
                raise TlsFailure("BAD_CERTIFICATE", "the server sent no certificate")
            leaf = chain.x509List[0]
            leaf.certAlg, leaf.publicKey = self._judge.key([bytes(each.bytes) for each in chain.x509List])
        except TlsFailure as failure:
            yield from self._fail(AlertDescription.bad_certificate, failure)
        yield leaf.publicKey, chain, None

    def _create_cert_msg(self, peer: str, request_msg: object, algorithms: object, chain: Any, *rest: Any) -> Any:
        if self.version == _SSL3 and chain is None:
            # SSLv3 says so with an alert where TLS sends an empty list (RFC 6101 section 5.6.6).
            return Alert().create(AlertDescription.no_certificate, AlertLevel.warning)
        return super()._create_cert_msg(peer, request_msg, algorithms, chain, *rest)

    def _fail(self, description: int, failure: TlsFailure) -> Steps:
        """Send an alert, then raise."""
        self.sock.flush()
        self.sock.buffer_writes = False
        yield from self._sendMsg(Alert().create(description, AlertLevel.fatal))
        raise failure

    def _getMsg(self, expectedType: Any, secondaryType: Any = None, constructorType: Any = None) -> Steps:  # noqa: N802, N803
        """The next message of a type; other than tlslite's, warnings are passed over and certificates left alone."""
        expected = expectedType if isinstance(expectedType, tuple) else (expectedType,)
        wanted = secondaryType if isinstance(secondaryType, tuple) else (secondaryType,)
        while True:
            record: Any = None
            for record in self._getNextRecord():
                if record not in _PENDING:
                    break
                yield record
            header, parser = record
            if header.type == ContentType.alert:
                _heed(Alert().parse(parser))
            elif header.type == ContentType.handshake and parser.bytes[0] == HandshakeType.hello_request:
                # RFC 5246 section 7.4.1.1: passed over, and not hashed, while a handshake is under way.
                continue
            else:
                break
        if header.type == ContentType.change_cipher_spec and header.type in expected:
            yield ChangeCipherSpec().parse(parser)
            return
        if header.type not in expected or header.type != ContentType.handshake or parser.bytes[0] not in wanted:
            yield from self._sendError(AlertDescription.unexpected_message, "the server's message is out of order")
        self._handshake_hash.update(parser.bytes)
        try:
            message = self._parse(parser.get(1), parser, constructorType)
        except (SyntaxError, ValueError):
            yield from self._sendError(AlertDescription.decode_error, "the server's message cannot be read")
        yield message

    def _parse(self, kind: int, parser: Parser, constructor_type: Any) -> Any:
        if kind == HandshakeType.certificate:
            return _Certificates(parser)
        if kind == HandshakeType.server_key_exchange:
            return ServerKeyExchange(constructor_type, self.version).parse(parser)
        if kind == HandshakeType.certificate_request:
            return CertificateRequest(self.version).parse(parser)
        if kind == HandshakeType.finished:
            return Finished(self.version).parse(parser)
        return _PLAIN[kind]().parse(parser)


_PLAIN: Final[dict[int, type]] = {
    HandshakeType.server_hello: ServerHello,
    HandshakeType.server_hello_done: ServerHelloDone,
    HandshakeType.new_session_ticket: NewSessionTicket1_0,
}


def _heed(alert: Alert) -> None:
    if alert.description == AlertDescription.close_notify:
        raise TLSAbruptCloseError
    if alert.level == AlertLevel.fatal:
        raise received(alert.description)
