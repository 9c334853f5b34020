"""What a TLS failure on hop 2 probably means, and which setting would reach the endpoint."""

from typing import Final

from broker.tls.errors import TlsFailure

_LEGACY: Final = "set `tls.profile: legacy` for this upstream"
_OBSOLETE: Final = "an older protocol or cipher than `tls.profile: legacy` offers"
_CA: Final = "name the issuing CA with `tls.ca`, or pin the certificate with `tls.pin_sha256`"

_OLD: Final = frozenset(
    {
        "UNSUPPORTED_PROTOCOL",
        "TLSV1_ALERT_PROTOCOL_VERSION",
        "WRONG_SSL_VERSION",
        "NO_PROTOCOLS_AVAILABLE",
        "VERSION_TOO_LOW",
    }
)
_WEAK: Final = frozenset(
    {
        "DH_KEY_TOO_SMALL",
        "EE_KEY_TOO_SMALL",
        "CA_KEY_TOO_SMALL",
        "CA_MD_TOO_WEAK",
        "WRONG_SIGNATURE_TYPE",
        "NO_SUITABLE_DIGEST_ALGORITHM",
        "LEGACY_SIGALG_DISALLOWED_OR_UNSUPPORTED",
    }
)
_REFUSED: Final = frozenset(
    {
        "SSLV3_ALERT_HANDSHAKE_FAILURE",
        "TLSV1_ALERT_INSUFFICIENT_SECURITY",
        "NO_SHARED_CIPHER",
        "SSLV3_ALERT_ILLEGAL_PARAMETER",
        "TLSV1_ALERT_INTERNAL_ERROR",
        "TLSV1_ALERT_DECODE_ERROR",
    }
)
_CUT: Final = frozenset({"UNEXPECTED_EOF", "UNEXPECTED_EOF_WHILE_READING", "CONNECTION_RESET"})
_VERIFY: Final[dict[int, str]] = {
    9: "its certificate is not valid yet; check the clocks, or pin it with `tls.pin_sha256`",
    10: "its certificate has expired; pin it with `tls.pin_sha256`, which waives expiry",
    18: f"its certificate is self-signed; {_CA}",
    19: f"its chain ends in a CA that is not trusted here; {_CA}",
    20: f"its certificate comes from a CA that is not trusted here; {_CA}",
    21: f"its certificate comes from a CA that is not trusted here; {_CA}",
    26: "its certificate is not made for servers; pin it with `tls.pin_sha256`, which waives key usage",
    62: "its certificate is for another host name; set `tls.server_name` to the name in it, or `tls.pin_sha256`",
    64: "its certificate is for another address; set `tls.server_name` to the name in it, or `tls.pin_sha256`",
    66: f"its certificate has a key that is too small for a modern client; {_LEGACY}",
    67: f"its chain has a CA key that is too small for a modern client; {_LEGACY}",
    68: f"its chain is signed with a digest that is too weak for a modern client; {_LEGACY}",
}


def explain(failure: TlsFailure, profile: str) -> str:
    """A sentence for the caller's operator: what the endpoint seemed to want, and the setting that would reach it.

    Names no address, no certificate content and nothing secret.
    """
    return f"The upstream {_cause(failure, modern=profile == 'modern')}."


def _cause(failure: TlsFailure, *, modern: bool) -> str:
    reason = failure.reason
    if reason == "CERTIFICATE_VERIFY_FAILED":
        return "was not accepted: " + _VERIFY.get(failure.verify_code, f"{failure.message}; {_CA}")
    if reason == "PIN_MISMATCH":
        return "presented a certificate that no `tls.pin_sha256` names; compare it before you pin the new one"
    if reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG"):
        return "does not answer with TLS on this port; it may be plain HTTP: try an `http://` target"
    if reason == "UNSAFE_LEGACY_RENEGOTIATION_DISABLED":
        return f"lacks secure renegotiation (RFC 5746); {_LEGACY}"
    if reason in _OLD:
        return f"speaks only an old TLS version; {_LEGACY}" if modern else f"seems to want {_OBSOLETE}"
    if reason in _WEAK:
        return f"uses keys or digests that are too weak for a modern client; {_LEGACY}"
    if reason in _REFUSED:
        return f"refused every offered version and cipher; {_LEGACY}" if modern else f"seems to want {_OBSOLETE}"
    if reason == "TIMEOUT":
        return 'did not finish the TLS handshake in time; if it dislikes the host name, try `tls.server_name: ""`'
    if reason in _CUT:
        return f"hung up during the TLS handshake; it may want an older TLS: {_LEGACY if modern else _OBSOLETE}"
    if reason in ("TLSV13_ALERT_CERTIFICATE_REQUIRED", "SSLV3_ALERT_BAD_CERTIFICATE", "TLSV1_ALERT_UNKNOWN_CA"):
        return "wants a client certificate"
    if reason == "TLSV1_UNRECOGNIZED_NAME":
        return 'does not know the host name it was asked for; set `tls.server_name`, or `tls.server_name: ""`'
    return f"broke off TLS ({reason})"
