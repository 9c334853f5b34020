"""Which quirks would have let a refused answer through: found by trying, so that the advice holds."""

from contextlib import suppress
from typing import Final

from broker.core.quirks import Quirk, Quirks
from broker.http1.errors import ProtocolError
from broker.http1.lenient_parser import AnswerRules, LenientResponseParser
from broker.http1.response_parser import ResponseParser

_CHUNKS: Final = {
    "Expected LF after chunk data": Quirk.CHUNK_WITHOUT_CRLF,
    "Invalid character in chunk size": Quirk.BAD_CHUNK_SIZE_SPACES,
    "Invalid header field char": Quirk.BARE_LF,
    "Missing expected CR after header value": Quirk.BARE_LF,
    "Missing expected CR after chunk data": Quirk.BARE_LF,
    "Missing expected CR after chunk extension name": Quirk.BARE_LF,
    "Missing expected CR after chunk extension value": Quirk.BARE_LF,
}
"""llhttp's words for what may be wrong in a body and its trailers, where no second look is possible."""


def with_advice(error: ProtocolError, parser: ResponseParser, have: Quirks) -> str:
    """The error in a sentence, which names the quirks with which the answer would have passed."""
    reason = f"{error.reason[:1].upper()}{error.reason[1:]}"
    hint = advice(error, parser.refused, bodyless=parser.bodyless, have=have)
    return f"{reason}; {hint}." if hint else f"{reason}."


def advice(error: ProtocolError, answer: bytes, *, bodyless: bool, have: Quirks) -> str:
    """What to add to the upstream's settings, as half a sentence; empty when nothing would help.

    `answer` is all that came of the answer, or nothing when its beginning is not at hand; `have` are the quirks which
    are put up with already.
    """
    if answer:
        return _needed(answer, bodyless, have)
    if error.quirk is not None:
        return _says({error.quirk} - have, "accepts this")
    guess = _CHUNKS.get(error.reason)
    return _says({guess} - have if guess else frozenset(), "may accept this")


def _needed(answer: bytes, bodyless: bool, have: Quirks) -> str:
    """The smallest addition with which the answer passes, or nothing: at most one look for each quirk, and two more."""
    added = frozenset(Quirk) - have
    if _look(answer, bodyless, have | added) is None:
        return ""
    for quirk in Quirk:
        if quirk in added and _look(answer, bodyless, have | added - {quirk}) is not None:
            added -= {quirk}
    return _says(added, "accepts this" if _look(answer, bodyless, have | added) else "may accept this")


def _look(answer: bytes, bodyless: bool, quirks: Quirks) -> bool | None:
    """Whether the head is complete with these quirks; None when something is still wrong with what came."""
    sink = _Sink()
    parser = LenientResponseParser(sink, AnswerRules(quirks))
    parser.expect(b"HEAD" if bodyless else b"GET")
    with suppress(ProtocolError):
        parser.feed(answer)
        parser.flush()
        return sink.headed
    return None


def _says(quirks: Quirks | set[Quirk], does: str) -> str:
    names = ", ".join(quirk for quirk in Quirk if quirk in quirks)
    return f"`http.lenient: [{names}]` of this upstream {does}" if names else ""


class _Sink:
    def __init__(self) -> None:
        self.headed = False

    def on_response(self, head: object) -> None:
        """The head was good."""
        self.headed = True

    def on_response_data(self, data: bytes) -> None:
        """Not wanted."""

    def on_response_end(self) -> None:
        """Not wanted."""
