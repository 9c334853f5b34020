"""Calls of which an attempt went out: where a later one did not, that one's failure must not say that nothing did."""

from typing import Final

from broker.core.body import Body
from broker.core.errors import BrokerError
from broker.core.heads import ResponseHead
from broker.core.plan import Reply
from broker.upstream.dial import HandshakeCut

_NOT_SENT: Final = frozenset(
    {"upstream_connect_failed", "upstream_tls_failed", "circuit_open", "overloaded", "credentials_unavailable"}
)


def says_not_sent(error: BrokerError) -> bool:
    """Whether a caller takes from it that its call did not reach the upstream."""
    return error.code in _NOT_SENT


def never_connected(error: BrokerError) -> bool:
    """Whether there was no connection, or none that got through its TLS handshake: another one may do better."""
    if isinstance(error, SentBefore):
        return error.never_connected
    return error.code == "upstream_connect_failed" or isinstance(error, HandshakeCut)


class SentBefore(BrokerError):
    """An attempt was sent and came to nothing; the one after it was not sent."""

    def __init__(self, later: BrokerError, detail: str = "", cause: str = "") -> None:
        """`later`: why the last one was not sent; `detail` and `cause`: what came of the one that was."""
        super().__init__(
            "upstream_protocol_error",
            detail or "The upstream ended the connection before its answer, and could not be asked again.",
            cause="; ".join(text for text in (cause, f"then {later.code}: {later.cause or later.detail}") if text),
        )
        self.never_connected = never_connected(later)


class Whole:
    """An answer that is all there."""

    def __init__(self, head: ResponseHead, body: Body | None) -> None:
        self.head = head
        self.body = body

    def cancel(self) -> None:
        """There is nothing to give up."""


class SentOnce:
    """What came of an attempt that was sent: its failure, or its answer where all of that is at hand."""

    def __init__(self, reply: Reply | None, detail: str, cause: str = "") -> None:
        self._reply = reply
        # No error itself is kept: it knows the frames of the call, and they would know it.
        self._detail = detail
        self._cause = cause

    def stands(self, later: BrokerError) -> Reply:
        """What the caller gets where no attempt after it was sent; raises `BrokerError` where that is no answer."""
        if self._reply is not None:
            return self._reply
        raise SentBefore(later, self._detail, self._cause)
