"""What each `tls.profile` stands for, as contexts for hop 2."""

import ssl
import warnings
from pathlib import Path
from typing import Final

from broker.tls.native import waive_purpose

LEGACY_CIPHERS: Final = "ALL:@SECLEVEL=0"
_OP_LEGACY_SERVER_CONNECT: Final = 0x4
_NO_CHECK_TIME: Final = 0x200000


def client_context(profile: str, ca: Path | None, *, pinned: bool, verify: bool, names: bool) -> ssl.SSLContext:
    """The context for an upstream. Raises `OSError` or `ssl.SSLError` when `ca` cannot be read.

    `modern`: TLS 1.2+, OpenSSL's security level 2, and no host name in the subject alone. `legacy`: TLS 1.0 to 1.3,
    level 0 (SHA-1 and MD5 chains, 1024-bit keys and DHE), and servers without secure renegotiation (RFC 5746). With a
    pin, the chain is judged only when a `ca` is named too, and then without expiry, hostname and key usage.
    `names`: whether SNI is sent; OpenSSL checks the name that SNI carries, so without it the caller has to.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if profile == "legacy":
        _make_legacy(context)
    else:
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers("DEFAULT:@SECLEVEL=2")
        context.set_alpn_protocols(["http/1.1"])
        context.hostname_checks_common_name = False
    if not verify or (pinned and ca is None):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    if ca is not None:
        context.load_verify_locations(ca)
    else:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    context.check_hostname = names
    if pinned:
        _waive(context)
    return context


def _make_legacy(context: ssl.SSLContext) -> None:
    with warnings.catch_warnings():
        # Python warns of TLS 1.0; here the operator named it, for this upstream alone.
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
    context.set_ciphers(LEGACY_CIPHERS)
    context.options |= _OP_LEGACY_SERVER_CONNECT


def _waive(context: ssl.SSLContext) -> None:
    context.check_hostname = False
    context.verify_flags = ssl.VerifyFlags(context.verify_flags | _NO_CHECK_TIME)
    waive_purpose(context)
