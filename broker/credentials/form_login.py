"""A login form: the cookies of its session go into each call, and a session that is gone is begun anew."""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlencode

from broker.core.errors import BrokerError
from broker.core.message import Line
from broker.core.ports import SecretSource
from broker.core.secret import SecretUnavailable
from broker.credentials.flow import (
    MASK,
    Await,
    Call,
    CredentialUnavailable,
    Fetch,
    Fetched,
    Flow,
    Seen,
    Send,
    Transform,
)
from broker.credentials.form_login_cookies import Jar, parse_set_cookie
from broker.credentials.form_login_page import hidden_fields
from broker.credentials.form_login_session import Refused, Session
from broker.credentials.form_login_signs import Expired, Shown, Success, likely_success

_ALL: Final = frozenset(range(200, 600))
_PEEK: Final = 16 * 1024
_UNHELPFUL: Final = 10.0
"""Seconds during which a session is not renewed, after one that had just been renewed seemed gone again."""
_PLAIN: Line = (b"Accept-Encoding", b"identity")
_FORM: Line = (b"Content-Type", b"application/x-www-form-urlencoded")

Values = Callable[[], list[tuple[str, bytes]]]


@dataclass(frozen=True, slots=True)
class LoginForm:
    """Where and how to log in."""

    target: bytes
    values: Values = field(repr=False)
    """The fields, with the secrets as they are now."""
    page: bytes | None = None
    """Where the form itself is, if that has to be got first."""
    success: Success | None = None
    cookies: tuple[bytes, ...] = ()

    @property
    def path(self) -> str:
        """The path of the target."""
        return self.target.partition(b"?")[0].decode()


class FormLogin:
    """See `Injector`."""

    type = "form_login"
    query_fields: frozenset[bytes] = frozenset()
    bound = False
    # A session ends without notice: the call that finds out is made again.
    holds_body = True
    hashes_body = False
    transform: Transform | None = None
    preview: tuple[Line, ...] = ((b"Cookie", MASK),)

    def __init__(
        self, form: LoginForm, expired: Expired, sources: Sequence[SecretSource], session: Session | None = None
    ) -> None:
        """`session`: for tests."""
        self._form = form
        self._expired = expired
        self._session = session or Session(sources)
        # A mark in the body is found only where the answer is not compressed.
        self._lines = (_PLAIN,) if expired.body else ()
        self.fields: frozenset[bytes] = frozenset({b"accept-encoding"} if expired.body else ())

    def flow(self, call: Call) -> Flow:
        """See `Injector.flow`: one new login for a session that is gone."""
        session = self._session
        yield from self._logged_in(session.generation)
        used = session.generation
        if not self._gone((yield self._send(call)), call, used):
            return
        if session.generation == used:
            if session.resting:
                return
            session.jar = None
        yield from self._logged_in(used)
        used = session.generation
        if self._gone((yield self._send(call)), call, used) and session.generation == used:
            session.rest(_UNHELPFUL, "a new login did not bring the session back")

    def _send(self, call: Call) -> Send:
        jar = self._session.jar
        cookie = jar.header(call.target) if jar is not None else b""
        return Send(self._lines, cookie=cookie, watch=_ALL, peek=_PEEK if self._expired.body else 0)

    def _gone(self, seen: Seen, call: Call, used: int) -> bool:
        """Whether the answer says that the session is gone. The session's cookies are for nobody else to see."""
        session = self._session
        gone = self._expired.shown_by(Shown(seen.status, seen.lines, seen.beginning, call.target))
        if not gone and session.jar is not None and session.generation == used:
            session.jar.take(seen.values(b"set-cookie"), call.target, known=True)
        seen.lines[:] = [line for line in seen.lines if _set_by(line) not in session.names]
        return gone

    # The login.

    def _logged_in(self, seen: int) -> Generator[Fetch | Await, Any, None]:
        """Until there is another session than the one of `seen`, or that one is still good."""
        session = self._session
        while session.generation == seen and not session.usable:
            try:
                if session.busy:
                    yield Await(session.wait)
                else:
                    yield from self._lead()
            except Refused:
                # The password may have been changed a moment ago.
                if not (yield Await(session.renew)):
                    raise

    def _lead(self) -> Generator[Fetch | Await, Any, None]:
        """Log in, for all who wait; raises `CredentialUnavailable`."""
        session = self._session
        session.begin()
        try:
            jar = yield from self._login()
        except CredentialUnavailable as error:
            session.fail(error)
            raise
        except Exception as error:
            known = isinstance(error, BrokerError | SecretUnavailable)
            why = str(error) if known else type(error).__name__
            session.fail(CredentialUnavailable(f"the login at {self._form.path} failed: {why}"))
            raise
        except BaseException:
            session.give_up()
            raise
        session.succeed(jar)

    def _login(self) -> Generator[Fetch | Await, Any, Jar]:
        form, jar = self._form, Jar(self._form.cookies)
        values = form.values()
        hidden: dict[str, str] = {}
        if form.page is not None:
            page: Fetched = yield Fetch(b"GET", form.page, (_PLAIN,))
            if page.status >= 400:
                raise CredentialUnavailable(f"the login page at {form.path} answered {page.status}")
            # All of its cookies come back with the form, whichever of them make the session.
            visit = Jar()
            visit.take(page.values(b"set-cookie"), form.page)
            jar.take(page.values(b"set-cookie"), form.page)
            hidden = hidden_fields(page.body, [name for name, _ in values])
        else:
            visit = jar
        given = {name for name, _ in values}
        body = urlencode([*((name, value) for name, value in hidden.items() if name not in given), *values])
        cookie = visit.header(form.target)
        lines = (_FORM, _PLAIN, *([(b"Cookie", cookie)] if cookie else []))
        answer: Fetched = yield Fetch(b"POST", form.target, lines, body.encode())
        jar.take(answer.values(b"set-cookie"), form.target)
        self._check(answer, jar)
        return jar

    def _check(self, answer: Fetched, jar: Jar) -> None:
        """Raise `CredentialUnavailable` unless the login worked."""
        form, shown = self._form, Shown(answer.status, answer.lines, answer.body, self._form.target)
        names = dict.fromkeys(name for line in answer.lines if (name := _set_by(line)) is not None)
        back = (self._expired.location, form.path)
        worked = form.success.shown_by(shown, names) if form.success else likely_success(shown, back)
        if not worked and answer.status >= 500:
            raise CredentialUnavailable(f"the login at {form.path} was answered {answer.status}")
        if not worked:
            raise Refused(f"the login at {form.path} was refused (status {answer.status})")
        if jar.empty:
            raise Refused(f"the login at {form.path} set no cookie (status {answer.status})")


def _set_by(line: Line) -> bytes | None:
    """The name of the cookie that a line sets."""
    if line[0].lower() != b"set-cookie":
        return None
    cookie = parse_set_cookie(line[1], b"/", 0.0)
    return cookie.name if cookie is not None else None
