"""What is remembered of Digest challenges, so that most calls are answered before they are challenged."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from broker.credentials.challenges import parameters
from broker.credentials.digest_answer import Turn
from broker.credentials.digest_challenge import Challenge, printable
from broker.credentials.flow import Seen

_MOST_NONCES: Final = 1024
_MOST_UPSTREAMS: Final = 256


class Counts:
    """How often each nonce was used: an upstream takes a count that comes again for a replay.

    Concurrent calls share it. A nonce that is given again, as by one of several machines behind one name, goes on
    where it was.
    """

    def __init__(self) -> None:
        self._used: OrderedDict[bytes, int] = OrderedDict()

    def following(self, nonce: bytes) -> int:
        """The next count of this nonce, from 1."""
        count = self._used.pop(nonce, 0) + 1
        self._used[nonce] = count
        if len(self._used) > _MOST_NONCES:
            self._used.popitem(last=False)
        return count


class Session:
    """An authentication session (RFC 7616 section 3.6): from a challenge to the next one."""

    def __init__(self, challenge: Challenge, counts: Counts, cnonce: Callable[[], bytes]) -> None:
        self.challenge = challenge
        self._nonce = challenge.nonce
        self._counts = counts
        self._cnonce = cnonce
        self._first = (challenge.nonce, cnonce())

    def turn(self) -> Turn:
        """What the next answer is made with; no two are the same."""
        # Servers differ in whether `-sess` means the first cnonce or this one: where they are the same, both are right.
        cnonce = self._first[1] if self.challenge.session else self._cnonce()
        return Turn(self._nonce, self._counts.following(self._nonce), cnonce, self._first)

    def heed(self, seen: Seen) -> None:
        """Take the nonce that the server wants used from now on (RFC 7616 section 3.5)."""
        for value in seen.values(b"authentication-info"):
            following = parameters(value).get(b"nextnonce", b"")
            if following and printable(following):
                self._nonce = following


class Sessions:
    """The latest session with each upstream."""

    def __init__(self, cnonce: Callable[[], bytes]) -> None:
        self._cnonce = cnonce
        self._counts = Counts()
        self._latest: OrderedDict[bytes, Session] = OrderedDict()

    def latest(self, authority: bytes) -> Session | None:
        """The session to go on with, if any."""
        return self._latest.get(authority)

    def begin(self, authority: bytes, challenge: Challenge) -> Session:
        """Answer this challenge, now and in the calls that follow."""
        session = Session(challenge, self._counts, self._cnonce)
        self._latest[authority] = session
        self._latest.move_to_end(authority)
        if len(self._latest) > _MOST_UPSTREAMS:
            self._latest.popitem(last=False)
        return session

    def forget(self, authority: bytes, session: Session) -> None:
        """It led to nothing: the next call waits to be challenged."""
        if self._latest.get(authority) is session:
            del self._latest[authority]
