"""tlslite's own server in memory, for what no OpenSSL of today speaks."""

import errno
import functools
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from broker.config.upstream_tls import UpstreamTls
from broker.testing.pki import Authority, Issued, self_signed
from broker.tls import tlslite
from broker.tls.engine import ClientTls, TlsEngine
from broker.tls.options import TlsOptions, Trust
from broker.tls.profiles import options_of

ANYTHING = replace(options_of(UpstreamTls(profile="obsolete")), ciphers="ALL", trust=Trust(verify=False))
# Imports the library, with its warnings kept quiet.
tlslite.client_tls(ANYTHING)

from tlslite.constants import ContentType, ExtensionType, HandshakeType  # noqa: E402, F401
from tlslite.errors import TLSAlert  # noqa: E402
from tlslite.handshakesettings import HandshakeSettings  # noqa: E402
from tlslite.messages import ClientHello, Message  # noqa: E402, F401
from tlslite.sessioncache import SessionCache  # noqa: E402
from tlslite.tlsconnection import TLSConnection  # noqa: E402
from tlslite.utils.codec import Parser  # noqa: E402
from tlslite.utils.keyfactory import parsePEMKey  # noqa: E402
from tlslite.x509certchain import X509CertChain  # noqa: E402

CIPHERS = ["aes256gcm", "aes128gcm", "aes256", "aes128", "3des", "rc4", "null"]
MACS = ["sha", "sha256", "sha384", "aead", "md5"]
CLIENT = Authority.create(key="rsa1024").issue_client("broker", key="rsa1024")


@functools.lru_cache
def identity(key: str = "rsa1024") -> Issued:
    return self_signed(key=key, digest="sha1" if key.startswith("rsa") else "sha256")


class Socket:
    """The server's side of the wire."""

    def __init__(self) -> None:
        self.inbox, self.outbox = bytearray(), bytearray()

    def recv(self, size: int) -> bytes:
        if not self.inbox:
            raise BlockingIOError(errno.EWOULDBLOCK, "empty")
        data = bytes(self.inbox[:size])
        del self.inbox[:size]
        return data

    def sendall(self, data: bytes) -> None:
        self.outbox += data

    def send(self, data: bytes) -> int:
        self.outbox += data
        return len(data)

    def close(self) -> None:
        pass


class Server:
    """tlslite's server, fed by hand."""

    def __init__(self, issued: Issued | None = None, cache: SessionCache | None = None, **how: Any) -> None:
        self.socket = Socket()
        self.connection = TLSConnection(self.socket)
        self.hello = b""
        settings = HandshakeSettings()
        settings.minVersion, settings.maxVersion, settings.minKeySize = (3, 0), (3, 3), 512
        settings.cipherNames, settings.macNames, settings.rsaSchemes = CIPHERS, MACS, ["pkcs1"]
        settings.versions = [(3, 3), (3, 2), (3, 1), (3, 0)]
        passed = {name: how.pop(name) for name in ("anon", "reqCert", "alpn") if name in how}
        for name, value in how.items():
            setattr(settings, name, value)
        if settings.maxVersion == (3, 0):
            # It would use them there too, and fail.
            settings.useExtendedMasterSecret = settings.useEncryptThenMAC = False
        chain = None
        if not passed.get("anon"):
            issued = issued or identity()
            chain = X509CertChain()
            chain.parsePemList(issued.chain_pem)
            passed["privateKey"] = parsePEMKey(issued.key_pem, private=True, implementations=["python"])
        self.steps: Iterator[int] = self.connection.handshakeServerAsync(
            certChain=chain, sessionCache=cache, settings=settings, **passed
        )

    def take(self, data: bytes) -> bytes:
        """Take the client's bytes; returns the answer."""
        self.hello = self.hello or data
        self.socket.inbox += data
        try:
            next(self.steps)
        except (StopIteration, TLSAlert):
            pass
        return self.sent()

    def read(self) -> bytes:
        return next(each for each in self.connection.readAsync() if each not in (0, 1))

    def write(self, data: bytes) -> bytes:
        for _ in self.connection.writeAsync(data):
            pass
        return self.sent()

    def sent(self) -> bytes:
        data = bytes(self.socket.outbox)
        self.socket.outbox.clear()
        return data


def shake(engine: TlsEngine, server: Server) -> None:
    for _ in range(10):
        if engine.handshake():
            server.take(engine.outgoing())
            return
        engine.feed(server.take(engine.outgoing()))
    raise AssertionError("the handshake does not end")


def meet(options: TlsOptions, maker: ClientTls | None = None, **how: Any) -> tuple[TlsEngine, Server]:
    engine = (maker or tlslite.client_tls(options)).engine("erp.test", "erp.test", 443)
    server = Server(**how)
    shake(engine, server)
    return engine, server


def talk(engine: TlsEngine, server: Server) -> None:
    server.socket.inbox += engine.write(b"question " * 50)
    assert server.read() == b"question " * 50
    engine.feed(server.write(b"answer " * 50))
    answer = b""
    while piece := engine.read():
        answer += piece
    assert answer == b"answer " * 50


def hello_of(server: Server) -> ClientHello:
    parser = Parser(bytearray(server.hello[5:]))
    assert parser.get(1) == HandshakeType.client_hello
    return ClientHello().parse(parser)
