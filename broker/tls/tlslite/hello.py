"""The ClientHello in its three shapes: tlslite's own cannot leave out what old servers choke on."""

import ipaddress
import secrets
from typing import Final

from tlslite.constants import CipherSuite, ExtensionType
from tlslite.extensions import (
    ALPNExtension,
    SessionTicketExtension,
    SignatureAlgorithmsExtension,
    SNIExtension,
    TLSExtension,
)
from tlslite.messages import ClientHello
from tlslite.session import Session

from broker.tls.options import TlsOptions
from broker.tls.tlslite.suites import offered
from broker.tls.versions import TlsVersion

_SSL3: Final = (3, 0)
_TLS1_2: Final = (3, 3)


class HelloMaker:
    """Makes one upstream's hellos."""

    def __init__(self, options: TlsOptions) -> None:
        """Raises `ValueError` when the cipher list names no suite that is here."""
        self._options = options
        self.most = wire_version(options.max_version)
        suites = offered(options.cipher_list, options.max_version)
        if not suites:
            raise ValueError("names no suite that tlslite has; the private OpenSSL has more")
        # The last stands for the extension that tells of RFC 5746, which servers without extensions do not read.
        self._suites = [*(suite.code for suite in suites), CipherSuite.TLS_EMPTY_RENEGOTIATION_INFO_SCSV]

    def hello(self, server_name: str | None, session: Session | None, signatures: list[tuple[int, int]]) -> ClientHello:
        """A hello that offers to resume `session`; what its session id says is what the server has to echo then."""
        ticket = _ticket(session)
        session_id = bytearray() if session is None else session.sessionID
        if ticket:
            # RFC 5077 section 3.4: the id is how the client learns that its ticket was taken.
            session_id = bytearray(secrets.token_bytes(32))
        extensions = self._extensions(server_name, ticket, signatures)
        return ClientHello().create(
            self.most, bytearray(secrets.token_bytes(32)), session_id, list(self._suites), extensions=extensions or None
        )

    def _extensions(
        self, server_name: str | None, ticket: bytearray, signatures: list[tuple[int, int]]
    ) -> list[TLSExtension]:
        options = self._options
        if options.hello == "bare" or self.most == _SSL3:
            return []
        full = options.hello == "full"
        extensions: list[TLSExtension] = []
        name = _sni(server_name) if options.sends_name and server_name else b""
        if name:
            extensions.append(SNIExtension().create(bytearray(name)))
        if full:
            extensions += [
                TLSExtension().create(kind, bytearray())
                for kind in (ExtensionType.encrypt_then_mac, ExtensionType.extended_master_secret)
            ]
            if options.session_reuse:
                extensions.append(SessionTicketExtension().create(ticket))
        if options.alpn:
            extensions.append(ALPNExtension().create([bytearray(each, "ascii") for each in options.alpn]))
        if self.most >= _TLS1_2:
            extensions.append(SignatureAlgorithmsExtension().create(signatures))
        return extensions


def wire_version(version: TlsVersion) -> tuple[int, int]:
    """A version as tlslite has it; TLS 1.2 at most."""
    number = min(version, TlsVersion.TLSv1_2)
    return number >> 8, number & 0xFF


def _ticket(session: Session | None) -> bytearray:
    tickets = [] if session is None else session.tls_1_0_tickets or []
    # RFC 5077 section 3.3: a lifetime of 0 is an unknown one.
    return next((each.ticket for each in tickets if each.valid() or not each.ticket_lifetime), bytearray())


def _sni(server_name: str) -> bytes:
    name = server_name.rstrip(".")
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return name.encode("idna")
    # RFC 6066 section 3: never an address.
    return b""
