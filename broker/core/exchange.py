"""One call on its way through the broker: what came, what was decided, what went back."""

import asyncio
from math import inf
from typing import TYPE_CHECKING, Final, Protocol

from broker.core.body import Body
from broker.core.errors import BrokerError
from broker.core.heads import Framing, RequestHead

if TYPE_CHECKING:
    from broker.core.plan import RoutePlan


SKIPPED_MOST: Final = 64 * 1024
"""Bytes of a request's body that are read and thrown away behind its answer, rather than end the connection."""


class CallerGone(Exception):
    """The caller went away: nobody waits for the answer any more."""


class Closable(Protocol):
    """What ends with a caller's connection."""

    def close(self) -> None:
        """The caller's connection is over."""


class Place(Protocol):
    """A place among the calls that are made at a time."""

    def leave(self) -> None:
        """The call is over."""


class Delivery(Protocol):
    """Who has to know whether the upstream may have acted on a call."""

    def sent(self) -> None:
        """A byte of an attempt leaves."""

    def refused(self) -> None:
        """That attempt was answered with 401: it has not been applied (RFC 9110 section 15.5.2)."""


class Attempts(Protocol):
    """How often a call may go out, whoever makes it again."""

    left: int
    """Attempts that may follow; whoever makes one takes it off."""


class Watcher(Protocol):
    """Who wants to know how the service copes."""

    def served(self, seconds: float, *, overloaded: bool) -> None:
        """The service took so long over one attempt, from the end of the request to the answer's head.

        `overloaded`: it took too long, or said that it has too much to do. A caller that sends or reads slowly, or
        leaves, makes no difference.
        """


class CallerSide(Protocol):
    """Hop 1's connection, as the pipeline sees it."""

    pins: dict[str, Closable] | None
    """Connections to upstreams that belong to this one, by the upstream's name."""

    peer: str
    """The address of the peer, as text."""
    peer_trusted: bool
    """Whether the peer is a trusted proxy, whose forwarding fields are believed."""
    tls: bool

    @property
    def peer_certificate(self) -> bytes | None:
        """The peer's own certificate in DER, which TLS has verified; None where it showed none."""

    def trusts(self, address: str) -> bool:
        """Whether an address belongs to a trusted proxy."""

    @property
    def last(self) -> bool:
        """Whether the connection ends with the call under way, because the broker is draining."""

    def pin(self, name: str, what: Closable) -> None:
        """Keep something for as long as this connection lives; what was kept by that name before is closed."""

    def send_continue(self) -> None:
        """Tell a caller that waits for it to go on with the body (RFC 9110 section 15.2.1)."""

    def reply(self, exchange: "Exchange", head: bytes, body: bytes) -> None:
        """Send a whole answer."""

    def reply_stream(self, exchange: "Exchange", head: bytes, body: Body, chunked: bool) -> "asyncio.Future[None]":
        """Send a head and then a body as it comes; the future is done when its last byte was handed over."""

    def abort(self) -> None:
        """Reset the connection, so that the caller sees the transfer break."""

    def exchange_done(self, exchange: "Exchange") -> None:
        """The pipeline is done with the call."""

    def set_deadline(self, exchange: "Exchange", due: float) -> None:
        """Interrupt the call with `upstream_timeout` at `due` (event-loop time, seconds)."""


class Exchange:
    """One request and its answer."""

    __slots__ = (
        "asked",
        "attempts",
        "body",
        "bytes_out",
        "caller",
        "caller_side",
        "close",
        "code",
        "delivery",
        "due",
        "head",
        "held",
        "interruption",
        "listener",
        "original",
        "plan",
        "refusal",
        "replayed",
        "request_id",
        "responded",
        "running",
        "started",
        "status",
        "task",
        "upstream_seconds",
        "watcher",
    )

    def __init__(
        self, head: RequestHead, body: Body | None, caller_side: CallerSide, listener: str, started: float
    ) -> None:
        self.head = head
        self.body = body
        """None where the request has no body, or an empty one."""
        self.caller_side = caller_side
        self.listener = listener
        self.started = started
        """Event-loop time in seconds when the head was complete."""
        self.plan: RoutePlan | None = None
        self.caller = ""
        """The configured name of the authenticated caller."""
        self.request_id = ""
        self.refusal: BrokerError | None = None
        """Why the request was refused before it could be routed."""
        self.original: Exchange | None = None
        """The call itself, where this is a copy with another body."""
        self.interruption: BaseException | None = None
        """Why the task that serves the call was cancelled."""
        self.task: asyncio.Task[None] | None = None
        self.running = False
        """Whether the pipeline has taken the call up."""
        self.asked = False
        """Whether the upstream's turn has come: from then on it may have acted on the call."""
        self.close = not head.keep_alive
        """Whether the caller's connection ends with this call."""
        self.responded = False
        """Whether a byte of the answer went out: from then on the only honest failure is to break off."""
        self.status = 0
        self.code = ""
        self.bytes_out = 0
        self.upstream_seconds = -1.0
        self.due = inf
        """Event-loop time in seconds by which the whole call has to be over."""
        self.held: list[Place] = []
        """Places among the calls under way, which are given back when the last byte of the answer is out."""
        self.watcher: Watcher | None = None
        """Told of every attempt at the call."""
        self.delivery: Delivery | None = None
        """Told by every attempt at the call, those with an altered copy too."""
        self.attempts: Attempts | None = None
        """Shared by all copies of the call; None where no setting counts them."""
        self.replayed = False
        """Whether the answer is one that was given before, to the same Idempotency-Key."""

    @property
    def cut_by(self) -> BaseException | None:
        """Why the call was ended from outside, asked of a copy too."""
        return self.interruption if self.original is None else self.original.interruption

    @property
    def body_pending(self) -> bool:
        """Whether some of the request's body has not come yet."""
        return self.body is not None and not self.body.complete

    @property
    def rest_is_short(self) -> bool:
        """Whether what has not come of the body may be read past, so that the connection serves its next request.

        It never is where the caller may send it or not: who waits for `100 Continue`, and has not begun, is free to go
        on with another request once there is an answer (RFC 9110 section 10.1.1).
        """
        body, head = self.body, self.head
        if body is None or body.error is not None or head.framing is not Framing.LENGTH or head.http10:
            return False
        if head.expects_continue and not body.size:
            return False
        return head.length - body.size <= SKIPPED_MOST

    def give_back(self) -> None:
        """Give the places among the calls under way back: nothing is asked of the upstream any more."""
        while self.held:
            self.held.pop().leave()

    def interrupt(self, reason: BaseException) -> None:
        """End the call from outside; the first reason counts."""
        if self.interruption is None:
            self.interruption = reason
            if self.task is not None and self.running:
                self.task.cancel()
