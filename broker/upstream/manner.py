"""How HTTP is spoken with one upstream, where plain and strict HTTP/1.1 is not what it knows."""

from dataclasses import dataclass, field

from broker.http1.lenient_parser import AnswerRules, LenientResponseParser
from broker.http1.response_parser import ResponseSink
from broker.policy.held_bodies import HeldBodies


@dataclass(frozen=True, slots=True)
class HoldLimits:
    """How much of a request is held back until its length is known, in bytes."""

    memory: int
    total: int
    """In memory and in a temporary file."""
    budget: HeldBodies | None = field(default=None, compare=False)
    """What is held for all calls together; None: nobody counts."""


@dataclass(frozen=True, slots=True)
class Manner:
    """What is different about one upstream."""

    answers: AnswerRules
    keeps_connections: bool = True
    hold: HoldLimits | None = None
    """Limits of a chunked request's body, which is sent with a length; None: it is sent chunked, as it comes."""

    def parser(self, sink: ResponseSink) -> LenientResponseParser:
        """What reads the answers on a new connection."""
        return LenientResponseParser(sink, self.answers)
