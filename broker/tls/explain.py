"""What a TLS failure on hop 2 probably means, and which setting would reach the endpoint."""

from typing import Final

from broker.tls.errors import TlsFailure
from broker.tls.options import TlsOptions

_RUNGS: Final[dict[str, str]] = {
    "modern": "set `tls.profile: legacy` for this upstream",
    "legacy": "set `tls.profile: obsolete` for this upstream",
    "full": "try `tls.hello: short`, then `tls.hello: bare`",
    "short": "try `tls.hello: bare`",
    "bare": "try `tls.max_version: SSLv3`",
}
"""What to try next, by profile, and within `obsolete` by hello; nothing is tried by itself, for whoever sits in
between could force it."""
_PROBE: Final = "`broker probe` finds the setting"
_CLIENT: Final = "wants a client certificate; name one with `tls.client_certificate`, or as a credential of the route"
_BUILD: Final = "the private OpenSSL can (`make obsolete-tls`; the container image has it)"
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
        "SSLV3_ALERT_UNEXPECTED_MESSAGE",
        "BAD_RECORD_MAC",
        "SSLV3_ALERT_BAD_RECORD_MAC",
    }
)
_NOT_TLS: Final = frozenset({"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG"})
_WANTS_CLIENT: Final = frozenset(
    {"TLSV13_ALERT_CERTIFICATE_REQUIRED", "SSLV3_ALERT_BAD_CERTIFICATE", "SSLV3_ALERT_NO_CERTIFICATE"}
)
_REFUSED_CLIENT: Final = frozenset({"TLSV1_ALERT_UNKNOWN_CA", "SSLV3_ALERT_CERTIFICATE_UNKNOWN"})
_RENEGOTIATION: Final = frozenset({"UNSAFE_LEGACY_RENEGOTIATION_DISABLED", "NO_RENEGOTIATION"})
_NAME: Final = frozenset({"TLSV1_UNRECOGNIZED_NAME", "TLSV1_ALERT_UNRECOGNIZED_NAME"})
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
    66: "its certificate has a key that is too small; {next}",
    67: "its chain has a CA key that is too small; {next}",
    68: "its chain is signed with a digest that is too weak; {next}",
}


def explain(failure: TlsFailure, options: TlsOptions) -> str:
    """A sentence for the caller's operator: what the endpoint seemed to want, and the setting that would reach it.

    Names no address, no certificate content and nothing secret.
    """
    return f"The upstream {_cause(failure, options)}."


def _cause(failure: TlsFailure, options: TlsOptions) -> str:
    reason, further = failure.reason, _next(options)
    if reason == "CERTIFICATE_VERIFY_FAILED":
        known = _VERIFY.get(failure.verify_code, f"{failure.message}; {_CA}")
        return "was not accepted: " + known.replace("{next}", further)
    if reason == "PIN_MISMATCH":
        return "presented a certificate that no `tls.pin_sha256` names; compare it before you pin the new one"
    if reason in _NOT_TLS:
        return "does not answer with TLS on this port; it may be plain HTTP: try an `http://` target"
    if reason in _RENEGOTIATION:
        return f"lacks secure renegotiation (RFC 5746); {_renegotiation(options)}"
    if reason == "RENEGOTIATION_WANTED":
        return f"renegotiates, which the engine tlslite cannot; {_BUILD}"
    if reason in _WANTS_CLIENT and options.identity is None:
        return _CLIENT
    if reason in _WANTS_CLIENT | _REFUSED_CLIENT:
        return "did not accept the certificate of `tls.client_certificate`"
    if reason in _NAME:
        return 'does not know the host name it was asked for; set `tls.server_name`, or `tls.server_name: ""`'
    return _unmet(reason, further, options)


def _unmet(reason: str, further: str, options: TlsOptions) -> str:
    """What is left: the offer was not to its taste."""
    if reason in _OLD:
        return f"speaks only an older TLS version; {further}"
    if reason in _WEAK:
        further = _BUILD if options.any_strength else further
        return f"uses keys or digests that are weaker than `tls.profile: {options.profile}` takes; {further}"
    if reason in _REFUSED:
        return f"refused every offered version and cipher; {further}"
    if reason == "TIMEOUT":
        name = ', or `tls.server_name: ""` if it dislikes the host name' if options.sends_name else ""
        return f"did not finish the TLS handshake in time; {further}{name}"
    if reason in _CUT:
        return f"hung up during the TLS handshake; it may want an older TLS: {further}"
    return f"broke off TLS ({reason}); {_PROBE}"


def _next(options: TlsOptions) -> str:
    rung = options.hello if options.profile == "obsolete" else options.profile
    return f"{_RUNGS[rung]} ({_PROBE})"


def _renegotiation(options: TlsOptions) -> str:
    return _RUNGS["modern"] if options.profile == "modern" else "set `tls.legacy_renegotiation: true`"
