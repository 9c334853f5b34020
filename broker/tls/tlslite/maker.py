"""Hop 2 on tlslite: one upstream's settings, and its engines."""

import functools
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from tlslite.handshakesettings import HandshakeSettings
from tlslite.session import Session
from tlslite.x509certchain import X509CertChain

from broker.tls.options import ClientIdentity, TlsOptions
from broker.tls.sessions import Sessions, Slot
from broker.tls.tlslite.certificates import Judge, ssl_error
from broker.tls.tlslite.client import Certificate, Client
from broker.tls.tlslite.engine import TlsliteEngine
from broker.tls.tlslite.exchange import ClientKey
from broker.tls.tlslite.hello import HelloMaker, wire_version
from broker.tls.tlslite.records import Wire

_DIGESTS: Final = ["sha256", "sha1", "sha384", "sha512", "sha224", "md5"]


class TlsliteTls:
    """Makes `TlsliteEngine`s for one upstream."""

    name = "tlslite"
    checks_name = False

    def __init__(self, options: TlsOptions) -> None:
        """Raises `OSError` or `ssl.SSLError` when a file cannot be read, `ValueError` when no cipher is known."""
        self.options = options
        self._hellos = HelloMaker(options)
        self._settings = _settings(options)
        self._judge = Judge(options.trust)
        self._identity = None if options.identity is None else _identity(options.identity)
        self._sessions: Sessions[Session] | None = Sessions() if options.session_reuse else None

    def engine(self, server_name: str | None, host: str, port: int) -> TlsliteEngine:
        """See `ClientTls.engine`."""
        slot = None if self._sessions is None else self._sessions.of(host, port)
        session = None if slot is None or slot.session is None or not slot.session.valid() else slot.session
        wire = Wire()
        client = Client(
            wire,
            self._hellos,
            self._judge,
            server_name=server_name,
            session=session,
            legacy_renegotiation=self.options.legacy_renegotiation,
        )
        chain, key = self._identity or (None, None)
        steps = client.steps(self._settings, chain, key)
        return TlsliteEngine(wire, client, steps, functools.partial(_remember, slot))


def _remember(slot: Slot[Session] | None, client: Client, well: bool) -> None:
    """Keep the session for the next connection; one that may have made this one fail is forgotten."""
    if slot is None:
        return
    if not well:
        slot.session = None
        return
    session = client.session
    if client.resumed and client.tls_1_0_tickets:
        # The server changed the ticket as it took it.
        session = session._clone()  # noqa: SLF001
        session.tls_1_0_tickets = client.tls_1_0_tickets
    slot.session = session if session.valid() else None


def _settings(options: TlsOptions) -> HandshakeSettings:
    settings = HandshakeSettings()
    settings.minVersion = wire_version(options.min_version)
    settings.maxVersion = wire_version(options.max_version)
    settings.minKeySize = 512
    settings.rsaSigHashes = list(_DIGESTS)
    settings.dsaSigHashes = _DIGESTS[:-1]
    settings.ecdsaSigHashes = []
    settings.more_sig_schemes = []
    settings.rsaSchemes = ["pkcs1"]
    settings.use_heartbeat_extension = False
    settings.record_size_limit = None
    return settings


def _identity(identity: ClientIdentity) -> tuple[X509CertChain, ClientKey]:
    try:
        chain = x509.load_pem_x509_certificates(identity.chain.read_bytes())
        key = load_pem_private_key(identity.key.read_bytes(), None)
    except (ValueError, TypeError) as error:
        raise ssl_error(f"the client certificate or its key cannot be read: {error}") from None
    if not isinstance(key, RSAPrivateKey):
        raise ssl_error("tlslite shows RSA client certificates only; the private OpenSSL shows others")
    if chain[0].public_key() != key.public_key():
        raise ssl_error("the client certificate's key is another one")
    return X509CertChain([Certificate(each.public_bytes(Encoding.DER)) for each in chain]), ClientKey(key)
