"""HTTP Digest (RFC 7616; also servers as of RFC 2617 and RFC 2069)."""

import secrets
from collections.abc import Awaitable, Callable
from typing import Final

from broker.core.message import Line
from broker.credentials.digest_answer import Who, answer
from broker.credentials.digest_challenge import Challenge, challenges
from broker.credentials.digest_nonces import Session, Sessions
from broker.credentials.flow import MASK, Await, Call, CredentialUnavailable, Flow, Seen, Send, Transform
from broker.credentials.offers import named, offers

# `Authentication-Info` may come with any answer.
_ANY: Final = frozenset(range(200, 600))


def _new_cnonce() -> bytes:
    return secrets.token_urlsafe(24).encode()


class DigestInjector:
    """Answers challenges, and goes on with their nonces: one round trip for each call but the first.

    A call is made again at most once for each of: a first challenge (or a nonce that is no longer good), a nonce that
    is stale already, a password that turned out to be renewed. After that the 401 stands.
    """

    type = "digest"
    fields = frozenset({b"authorization"})
    query_fields: frozenset[bytes] = frozenset()
    preview: tuple[Line, ...] = ((b"Authorization", b"Digest " + MASK),)
    bound = False
    holds_body = True
    transform: Transform | None = None

    def __init__(
        self,
        username: Callable[[], bytes],
        password: Callable[[], bytes],
        renew: Callable[[], Awaitable[bool]],
        *,
        auth_int: bool = False,
        cnonce: Callable[[], bytes] = _new_cnonce,
    ) -> None:
        """`username` and `password` give the current values in UTF-8; `renew` says whether there are new ones.

        `auth_int`: keep each body before it is sent, for servers that take nothing but qop=auth-int.
        """
        self.hashes_body = auth_int
        self._username = username
        self._password = password
        self._renew = renew
        self._sessions = Sessions(cnonce)

    def flow(self, call: Call) -> Flow:
        """See `Injector.flow`; raises `SecretUnavailable`, `CredentialUnavailable`."""
        who = self._who()
        session = self._sessions.latest(call.authority)
        if call.has_body and not call.repeatable:
            # The body goes out once, so it goes out with a nonce that is fresh for sure. The question carries no
            # credential: an answer other than 401 is to an empty request, and not used.
            seen = yield Send(without_body=True, watch=_ANY)
            session = self._session(call, seen, None) if seen.status == 401 else None
        done: set[str] = set()
        answered = False
        while True:
            seen = yield Send(self._lines(call, session, who), watch=_ANY)
            if seen.status != 401:
                if session is not None:
                    session.heed(seen)
                return
            session = self._session(call, seen, session)
            if session is None or not call.repeatable:
                return
            why = _why(session.challenge, answered=answered)
            answered = True
            if why in done:
                self._sessions.forget(call.authority, session)
                return
            done.add(why)
            if why == "renewed":
                self._sessions.forget(call.authority, session)
                # Another call may have found the new password first: then there is nothing to renew, and yet a new one.
                yield Await(self._renew)
                refused, who = who, self._who()
                if who == refused:
                    return
                session = self._sessions.begin(call.authority, session.challenge)

    def _who(self) -> Who:
        return Who(self._username(), self._password())

    def _lines(self, call: Call, session: Session | None, who: Who) -> tuple[Line, ...]:
        if session is None:
            return ()
        return ((b"Authorization", answer(session.challenge, session.turn(), who, call)),)

    def _session(self, call: Call, seen: Seen, before: Session | None) -> Session | None:
        """The session that a 401 begins; None where it is not about this credential.

        Raises `CredentialUnavailable` when the upstream asks for something else altogether.
        """
        found = offers(seen.values(b"www-authenticate"))
        usable = challenges(found)
        if usable:
            return self._sessions.begin(call.authority, usable[0])
        if before is not None:
            self._sessions.forget(call.authority, before)
        elif found:
            raise CredentialUnavailable(f"the upstream does not offer a Digest that is known here, but: {named(found)}")
        return None


def _why(challenge: Challenge, *, answered: bool) -> str:
    """Why a call would be made again."""
    if not answered:
        # Nothing was sent, or a nonce of an earlier call, which not all servers call stale when it is.
        return "first"
    return "stale" if challenge.stale else "renewed"
