"""How credentials are brought into a call: generators that say what to send, and are told what came back.

A flow never touches a socket. It yields what it wants done, and is resumed with what came of it:

* `Send`: make the call with these additions; resumed with `Seen`, when the answer's status is one that it watches.
  To return then means that this answer stands.
* `Fetch`: a request of its own to the same upstream, such as a login form; resumed with `Fetched`.
* `Await`: something that takes time, such as a token; resumed with its result. Where it raises
  `CredentialUnavailable` or `SecretUnavailable`, the call ends as `credentials_unavailable`.

What `Fetch` and `Await` raise, cancellation too, is raised where the flow yielded them.
"""

from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from broker.core.body import Body
from broker.core.message import Line

UNAUTHORIZED: Final = frozenset({401})
NOTHING: Final[frozenset[int]] = frozenset()


class CredentialUnavailable(Exception):
    """A credential that cannot be had now; the message is for the log and holds nothing secret."""


@dataclass(slots=True)
class Call:
    """What a flow may know of the call."""

    method: bytes
    target: bytes
    """As the upstream is asked for it, before anything is added."""
    authority: bytes
    body: bytes | None = None
    """All of the body, where the flow asked for it (`Injector.hashes_body`) and it is not too large; None otherwise."""
    has_body: bool = False
    repeatable: bool = True
    """Whether the call can be made again: its body, if any, is at hand."""
    certificate: bytes | None = None
    """The upstream's certificate in DER, for channel binding (RFC 5929); None over plain HTTP."""
    connection: dict[str, Any] = field(default_factory=dict)
    """What a flow keeps about this connection, for as long as it lives; for connection-bound flows."""


@dataclass(frozen=True, slots=True)
class Send:
    """Make the call."""

    lines: tuple[Line, ...] = field(default=(), repr=False)
    """Header lines to add; the caller's lines of the same names were dropped before."""
    query: bytes = field(default=b"", repr=False)
    """`name=value` to add to the query, encoded."""
    cookie: bytes = field(default=b"", repr=False)
    """`name=value` to add to the cookies."""
    without_body: bool = False
    """Send `Content-Length: 0` in place of the body: a step of a handshake, whose answer is not the call's."""
    watch: frozenset[int] = UNAUTHORIZED
    """The statuses that the flow wants to see; an answer with any other one stands."""
    peek: int = 0
    """Bytes of the answer's body that the flow wants to see, where it watches the status."""


@dataclass(frozen=True, slots=True)
class Seen:
    """An answer, without the right to its body."""

    status: int
    lines: list[Line]
    """The answer's own: what a flow takes out of it, the caller does not see."""
    beginning: bytes = field(default=b"", repr=False)

    def values(self, name: bytes) -> list[bytes]:
        """All values of a field; `name` in lower case."""
        return [value for key, value in self.lines if key.lower() == name]


@dataclass(frozen=True, slots=True)
class Fetch:
    """A request of the flow's own, to the same upstream."""

    method: bytes
    target: bytes
    lines: tuple[Line, ...] = field(default=(), repr=False)
    body: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Fetched:
    """What came of a `Fetch`: the body up to 64 KiB."""

    status: int
    lines: list[Line]
    body: bytes = field(repr=False)

    def values(self, name: bytes) -> list[bytes]:
        """All values of a field; `name` in lower case."""
        return [value for key, value in self.lines if key.lower() == name]


@dataclass(frozen=True, slots=True)
class Await:
    """Something that takes time."""

    what: Callable[[], Awaitable[Any]]


Step = Send | Fetch | Await
Flow = Generator[Step, Any, None]

Transform = Callable[[Body, bytes, int | None], Awaitable[tuple[Body, int | None]]]
"""(body, content type, length or None where it is not known) → the body to send instead, and its length; raises
`BrokerError`. Used for credentials that stand in the body."""


class Injector(Protocol):
    """One configured credential."""

    type: str
    """As in `credentials.type`."""
    fields: frozenset[bytes]
    """Lower-case names of the header fields that it sets: the caller's own never reach the upstream."""
    query_fields: frozenset[bytes]
    """Names of the query parameters that it sets, decoded: the same goes for them."""
    preview: tuple[Line, ...]
    """What `explain` shows: the lines with every secret masked."""
    bound: bool
    """Whether it authenticates connections: then one is kept for this credential alone, and the handshake's steps
    share it."""
    holds_body: bool
    """Whether a body is kept until the call is over, because a challenge may come late."""
    hashes_body: bool
    """Whether it needs the body's bytes before the head can be written."""
    transform: Transform | None
    """What it does to the body; None for nothing."""

    def flow(self, call: Call) -> Flow:
        """A generator for one call."""


MASK: Final = b"***"
