"""Hop 2 on the interpreter's own OpenSSL: what profiles `modern` and `legacy` use."""

import ssl
import warnings
from typing import Final

from broker.tls.native import allow_any_strength, waive_purpose
from broker.tls.openssl import OpenSslEngine
from broker.tls.options import TlsOptions
from broker.tls.sessions import Sessions
from broker.tls.versions import TlsVersion

_NO_EXTENDED_MASTER_SECRET: Final = 0x1
_LEGACY_SERVER_CONNECT: Final = 0x4
_DONT_INSERT_EMPTY_FRAGMENTS: Final = 0x800
_ALLOW_UNSAFE_LEGACY_RENEGOTIATION: Final = 0x40000
_NO_ENCRYPT_THEN_MAC: Final = 0x80000
_NO_CHECK_TIME: Final = 0x200000


class SystemTls:
    """Makes `OpenSslEngine`s for one upstream."""

    name = "system"

    def __init__(self, options: TlsOptions) -> None:
        """Raises `OSError` or `ssl.SSLError` when a file cannot be read or no cipher of the list is known."""
        self.options = options
        self.context = client_context(options)
        self.checks_name = options.trust.name and options.sends_name
        self._sessions: Sessions[ssl.SSLSession] | None = Sessions() if options.session_reuse else None

    def engine(self, server_name: str | None, host: str, port: int) -> OpenSslEngine:
        """See `ClientTls.engine`."""
        sessions = None if self._sessions is None else self._sessions.of(host, port)
        return OpenSslEngine(self.context, server_name=server_name, session=sessions)


def client_context(options: TlsOptions) -> ssl.SSLContext:
    """The context for an upstream; raises as `SystemTls` does."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    _set_versions(context, options)
    context.set_ciphers(f"{options.cipher_list}:@SECLEVEL={options.security_level}")
    if options.alpn:
        context.set_alpn_protocols(list(options.alpn))
    if options.legacy_renegotiation:
        context.options |= _LEGACY_SERVER_CONNECT | _ALLOW_UNSAFE_LEGACY_RENEGOTIATION
    if options.profile == "obsolete":
        context.options |= _DONT_INSERT_EMPTY_FRAGMENTS
    if options.hello != "full":
        context.options |= ssl.OP_NO_TICKET | _NO_EXTENDED_MASTER_SECRET | _NO_ENCRYPT_THEN_MAC
    if options.any_strength:
        allow_any_strength(context)
    if options.identity is not None:
        context.load_cert_chain(options.identity.chain, options.identity.key)
        # For servers that ask for it once they know the path; before TLS 1.3, they renegotiate.
        context.post_handshake_auth = True
    _set_trust(context, options)
    return context


def _set_versions(context: ssl.SSLContext, options: TlsOptions) -> None:
    with warnings.catch_warnings():
        # Python warns of TLS 1.0; here the operator named it, for this upstream alone.
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion(max(options.min_version, TlsVersion.TLSv1_0))
        context.maximum_version = ssl.TLSVersion(options.max_version)


def _set_trust(context: ssl.SSLContext, options: TlsOptions) -> None:
    trust = options.trust
    context.check_hostname = False
    if not trust.chain:
        context.verify_mode = ssl.CERT_NONE
        return
    if trust.ca is not None:
        context.load_verify_locations(trust.ca)
    else:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    # OpenSSL checks the name that SNI carries; where none is sent, whoever connects has to.
    context.check_hostname = trust.name and options.sends_name
    context.hostname_checks_common_name = trust.common_name
    if trust.pins:
        context.verify_flags = ssl.VerifyFlags(context.verify_flags | _NO_CHECK_TIME)
        waive_purpose(context)
