"""Hop 1's TLS, the same for every listener: no setting of the routes file reaches in here.

TLS 1.2 (RFC 5246) and 1.3 (RFC 8446); ECDHE with AES-GCM or ChaCha20-Poly1305; X25519, P-256, P-384; session
tickets; no renegotiation, no compression, no early data.
"""

import ssl
from pathlib import Path
from typing import Final

from broker.tls.native import set_groups

CIPHERS: Final = (
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:@SECLEVEL=2"
)
GROUPS: Final = "X25519:P-256:P-384"


def server_context(chain: Path, key: Path, client_ca: Path | None, asks_for: str = "required") -> ssl.SSLContext:
    """The context for one certificate. Raises `OSError` or `ssl.SSLError` when the files do not serve.

    `asks_for`: whether callers show a certificate of `client_ca`: `off`, `optional` or `required`.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.maximum_version = ssl.TLSVersion.TLSv1_3
    context.set_ciphers(CIPHERS)
    if not set_groups(context, GROUPS):
        context.set_ecdh_curve("prime256v1")
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION | ssl.OP_SINGLE_ECDH_USE
    context.set_alpn_protocols(["http/1.1"])
    context.load_cert_chain(chain, key)
    if client_ca is not None and asks_for != "off":
        context.load_verify_locations(client_ca)
        context.verify_mode = ssl.CERT_OPTIONAL if asks_for == "optional" else ssl.CERT_REQUIRED
    return context
