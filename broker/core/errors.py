"""One error type for everything that can go wrong with a call.

Every failure is a `BrokerError` with a code of the contract. Its status, title, source and whether a retry can
help follow from the code alone, so that callers, logs and metrics tell the same story.
"""

from dataclasses import dataclass
from enum import StrEnum


class Source(StrEnum):
    """Whose doing a failure is."""

    CALLER = "caller"
    BROKER = "broker"
    UPSTREAM = "upstream"


@dataclass(frozen=True, slots=True)
class ErrorKind:
    """What a code means: HTTP status (RFC 9110 section 15), title, source, and whether a retry can help."""

    status: int
    title: str
    source: Source
    retryable: bool = False


KINDS: dict[str, ErrorKind] = {
    "bad_request": ErrorKind(400, "The request is malformed", Source.CALLER),
    "caller_unauthenticated": ErrorKind(401, "The caller did not prove who it is", Source.CALLER),
    "caller_forbidden": ErrorKind(403, "The caller may not use this route", Source.CALLER),
    "no_route": ErrorKind(404, "No route matches", Source.CALLER),
    "method_not_allowed": ErrorKind(405, "The route does not take this method", Source.CALLER),
    "request_timeout": ErrorKind(408, "The request did not arrive in time", Source.CALLER, retryable=True),
    "idempotency_key_in_use": ErrorKind(
        409, "The first request with this key is under way", Source.CALLER, retryable=True
    ),
    "idempotency_outcome_unknown": ErrorKind(
        409, "The first request with this key was sent, and its answer is not at hand", Source.CALLER
    ),
    "body_too_large": ErrorKind(413, "The body is larger than the route allows", Source.CALLER),
    "target_too_long": ErrorKind(414, "The request target is longer than the listener allows", Source.CALLER),
    "misdirected_request": ErrorKind(421, "This host is not served here", Source.CALLER),
    "idempotency_key_reused": ErrorKind(422, "The key came with another request", Source.CALLER),
    "rate_limited": ErrorKind(429, "Too many requests", Source.CALLER, retryable=True),
    "headers_too_large": ErrorKind(431, "The header section is larger than the listener allows", Source.CALLER),
    "internal_error": ErrorKind(500, "The broker failed", Source.BROKER),
    "upstream_connect_failed": ErrorKind(502, "The upstream cannot be reached", Source.UPSTREAM, retryable=True),
    "upstream_tls_failed": ErrorKind(502, "TLS with the upstream failed", Source.UPSTREAM),
    "upstream_protocol_error": ErrorKind(502, "The upstream broke the protocol", Source.UPSTREAM),
    "credentials_unavailable": ErrorKind(
        502, "The upstream's credential is not available", Source.BROKER, retryable=True
    ),
    "circuit_open": ErrorKind(503, "The upstream is not asked at the moment", Source.UPSTREAM, retryable=True),
    "overloaded": ErrorKind(503, "Too much is under way", Source.BROKER, retryable=True),
    "caller_unverifiable": ErrorKind(
        503, "The caller's proof cannot be checked at the moment", Source.BROKER, retryable=True
    ),
    "upstream_timeout": ErrorKind(504, "The upstream did not answer in time", Source.UPSTREAM, retryable=True),
    "drain_timeout": ErrorKind(504, "The broker stopped before the call was over", Source.BROKER, retryable=True),
    "version_not_supported": ErrorKind(505, "Only HTTP/1.1 and HTTP/1.0 are spoken here", Source.CALLER),
}


class BrokerError(Exception):
    """A call that failed, for one reason with one code.

    `detail` is shown to the caller: it holds no secret and no internal address. `cause` goes to the log only.
    `headers` are lines the answer must carry (`WWW-Authenticate`, `Allow`, `Retry-After`). `unanswered` says that the
    upstream broke off before a byte of an answer came.
    """

    def __init__(
        self,
        code: str,
        detail: str = "",
        *,
        cause: str = "",
        headers: tuple[tuple[str, str], ...] = (),
        unanswered: bool = False,
    ) -> None:
        super().__init__(code)
        self.code = code
        self.kind = KINDS[code]
        self.detail = detail or f"{self.kind.title}."
        self.cause = cause
        self.headers = headers
        self.unanswered = unanswered

    @property
    def status(self) -> int:
        """The HTTP status of the answer."""
        return self.kind.status

    def __str__(self) -> str:
        return f"{self.code}: {self.detail}"
