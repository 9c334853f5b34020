"""tlslite's exceptions, by the reasons that OpenSSL gives for the same."""

from typing import Final

from tlslite.errors import (
    TLSAbruptCloseError,
    TLSBadRecordMAC,
    TLSDecryptionFailed,
    TLSLocalAlert,
    TLSRecordOverflow,
    TLSRemoteAlert,
)

from broker.tls.errors import TlsFailure

_RECEIVED: Final[dict[int, str]] = {
    10: "SSLV3_ALERT_UNEXPECTED_MESSAGE",
    20: "SSLV3_ALERT_BAD_RECORD_MAC",
    21: "TLSV1_ALERT_DECRYPTION_FAILED",
    22: "TLSV1_ALERT_RECORD_OVERFLOW",
    30: "SSLV3_ALERT_DECOMPRESSION_FAILURE",
    40: "SSLV3_ALERT_HANDSHAKE_FAILURE",
    41: "SSLV3_ALERT_NO_CERTIFICATE",
    42: "SSLV3_ALERT_BAD_CERTIFICATE",
    43: "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE",
    44: "SSLV3_ALERT_CERTIFICATE_REVOKED",
    45: "SSLV3_ALERT_CERTIFICATE_EXPIRED",
    46: "SSLV3_ALERT_CERTIFICATE_UNKNOWN",
    47: "SSLV3_ALERT_ILLEGAL_PARAMETER",
    48: "TLSV1_ALERT_UNKNOWN_CA",
    49: "TLSV1_ALERT_ACCESS_DENIED",
    50: "TLSV1_ALERT_DECODE_ERROR",
    51: "TLSV1_ALERT_DECRYPT_ERROR",
    60: "TLSV1_ALERT_EXPORT_RESTRICTION",
    70: "TLSV1_ALERT_PROTOCOL_VERSION",
    71: "TLSV1_ALERT_INSUFFICIENT_SECURITY",
    80: "TLSV1_ALERT_INTERNAL_ERROR",
    86: "TLSV1_ALERT_INAPPROPRIATE_FALLBACK",
    90: "TLSV1_ALERT_USER_CANCELLED",
    100: "TLSV1_ALERT_NO_RENEGOTIATION",
    110: "TLSV1_UNSUPPORTED_EXTENSION",
    112: "TLSV1_UNRECOGNIZED_NAME",
    120: "TLSV1_ALERT_NO_APPLICATION_PROTOCOL",
}
_SENT: Final[dict[int, str]] = {
    10: "UNEXPECTED_MESSAGE",
    20: "DECRYPTION_FAILED_OR_BAD_RECORD_MAC",
    21: "DECRYPTION_FAILED_OR_BAD_RECORD_MAC",
    22: "DATA_LENGTH_TOO_LONG",
    50: "LENGTH_MISMATCH",
    51: "BAD_SIGNATURE",
    70: "UNSUPPORTED_PROTOCOL",
    71: "INSUFFICIENT_SECURITY",
}
_BROKEN: Final[tuple[tuple[type[Exception], int], ...]] = (
    (TLSBadRecordMAC, 20),
    (TLSDecryptionFailed, 21),
    (TLSRecordOverflow, 22),
)
CLOSED: Final = ("UNEXPECTED_EOF", "the peer closed the connection without close_notify")


def received(description: int) -> TlsFailure:
    """The failure that a peer's fatal alert is."""
    return TlsFailure(_RECEIVED.get(description, f"ALERT_{description}"), f"the peer sent alert {description}")


def alert_for(error: Exception) -> int | None:
    """The alert that a record which cannot be read is answered with; None for none."""
    return next((description for kind, description in _BROKEN if isinstance(error, kind)), None)


def failure_of(error: Exception) -> TlsFailure:
    """Any exception out of the library, as ours."""
    if isinstance(error, TlsFailure):
        return error
    if isinstance(error, TLSAbruptCloseError):
        return TlsFailure(*CLOSED)
    if isinstance(error, TLSRemoteAlert):
        return received(error.description)
    if isinstance(error, TLSLocalAlert):
        message = str(error.message or "the answer breaks the protocol")
        return TlsFailure(_SENT.get(error.description, "BAD_HANDSHAKE"), message)
    description = alert_for(error)
    if description is not None:
        return TlsFailure(_SENT[description], "a record could not be decrypted")
    return TlsFailure("BAD_HANDSHAKE", f"{type(error).__name__}: {error}")
