"""The handshake that authenticates a connection (RFC 4559 section 4, MS-NTHT section 3): NTLM and Negotiate alike."""

import asyncio
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from collections.abc import Awaitable, Callable, Generator
from typing import Any, Final, TypeVar, cast

from broker.core.message import Line
from broker.credentials.flow import MASK, NOTHING, Await, Call, CredentialUnavailable, Flow, Seen, Send, Step, Transform
from broker.credentials.offers import Offer, named, offers
from broker.credentials.windows_account import Account
from broker.credentials.windows_login import Login, Refused

T = TypeVar("T")
Talk = Generator[Step, Any, T]

_ANY: Final = frozenset(range(200, 600))
_MOST_LEGS: Final = 4
_USER: Final = "windows.user"
_FORGOT: Final = "windows.forgot"
_MOST_FORGOTTEN: Final = 2


class WindowsInjector:
    """Authenticates connections; on one that is authenticated, it sends nothing.

    What it keeps with a connection: the user that it is authenticated as, and how often the server forgot that.
    """

    type: str
    scheme: bytes
    fields = frozenset({b"authorization"})
    query_fields: frozenset[bytes] = frozenset()
    preview: tuple[Line, ...]
    bound = True
    holds_body = True
    hashes_body = False
    transform: Transform | None = None
    blocking = False
    """Whether a login may wait for the network."""

    def __init__(
        self,
        username: Callable[[], bytes],
        password: Callable[[], bytes],
        renew: Callable[[], Awaitable[bool]],
        *,
        domain: str = "",
        workstation: str = "",
        channel_binding: bool = True,
    ) -> None:
        """`username` and `password` give the current values in UTF-8; `renew` says whether there are new ones."""
        self.preview = ((b"Authorization", self.scheme + b" " + MASK),)
        self._username = username
        self._password = password
        self._renew = renew
        self._domain = domain
        self._workstation = workstation
        self._channel_binding = channel_binding

    def flow(self, call: Call) -> Flow:
        """See `Injector.flow`; raises `SecretUnavailable`, `CredentialUnavailable`."""
        account = self._account()
        once = call.has_body and not call.repeatable
        if call.connection.get(_USER) == account.for_ntlm:
            seen = yield Send()
            if once or self._offer(seen) is None:
                # Without an offer, it is not about the login: the answer is the application's own.
                return
            call.connection[_FORGOT] = call.connection.get(_FORGOT, 0) + 1
        if (yield from self._handshake(call, account)) or once:
            return
        yield Await(self._renew)
        # Another call may have found the new password first: then there was nothing to renew, and yet there is one.
        renewed = self._account()
        if renewed != account:
            yield from self._handshake(call, renewed)

    def _login(self, call: Call, account: Account) -> Login:
        raise NotImplementedError

    def _persists(self, seen: Seen, login: Login) -> bool:
        """Whether the connection, and not the call alone, is authenticated now."""
        return seen.values(b"persistent-auth") != [b"false"]

    def _handshake(self, call: Call, account: Account) -> Talk[bool]:
        """Make the call in the steps of one handshake; False when the login is refused, whose 401 stands if need be.

        The body goes with the steps that may be the last.
        """
        call.connection.pop(_USER, None)
        login = self._login(call, account)
        token: bytes | None = yield from self._do(login.begin)
        begun = login.optimistic
        for _ in range(_MOST_LEGS):
            if not token:
                break
            carries = begun or not call.has_body
            lines = ((b"Authorization", self.scheme + b" " + b64encode(token)),)
            seen = yield Send(lines, without_body=not carries, watch=_ANY)
            offer = self._offer(seen)
            if seen.status != 401:
                if begun:
                    yield from self._through(call, seen, login, account)
                elif not carries:
                    # No login is asked for here, and the answer is to a step without the body.
                    yield Send(watch=NOTHING)
                return True
            if offer is None or not (offer.rest or begun):
                return self._ended(seen, begun=begun)
            token = yield from self._next(login, offer)
            begun = True
        return False

    def _through(self, call: Call, seen: Seen, login: Login, account: Account) -> Talk[None]:
        """The login is done: know it of the connection, where it stays with it."""
        offer = self._offer(seen)
        if offer is not None and offer.rest:
            try:
                yield from self._do(lambda: login.step(_token(offer)))
            except Refused:
                # The upstream did not prove that it knows the user: the call is made, but nothing is built on it.
                return
        if self._persists(seen, login) and call.connection.get(_FORGOT, 0) < _MOST_FORGOTTEN:
            call.connection[_USER] = account.for_ntlm

    def _ended(self, seen: Seen, *, begun: bool) -> bool:
        """A 401 that does not go on with the login: whether it stands. Raises `CredentialUnavailable` at the start."""
        found = offers(seen.values(b"www-authenticate"))
        if not begun:
            raise CredentialUnavailable(
                f"the upstream does not go on with {self.scheme.decode()}; it offers {named(found)}"
            )
        # Without any challenge, it is the application's own.
        return not found

    def _next(self, login: Login, offer: Offer) -> Talk[bytes | None]:
        """The answer to a challenge; None when it is a refusal."""
        if not offer.rest:
            return None
        try:
            return (yield from self._do(lambda: login.step(_token(offer))))
        except Refused:
            return None

    def _do(self, work: Callable[[], T]) -> Talk[T]:
        if not self.blocking:
            return work()

        def outcome() -> tuple[T | None, Refused | None]:
            try:
                return work(), None
            except Refused as refused:
                return None, refused

        done, refused = yield Await(lambda: asyncio.to_thread(outcome))
        if refused is not None:
            raise refused
        return cast("T", done)

    def _account(self) -> Account:
        return Account.of(self._username(), self._password(), self._domain)

    def _offer(self, seen: Seen) -> Offer | None:
        scheme = self.scheme.lower()
        found = [offer for offer in offers(seen.values(b"www-authenticate")) if offer.scheme == scheme]
        # A token that goes on with this login is what counts, where the scheme stands there twice.
        return max(found, key=lambda offer: bool(offer.rest), default=None)


def _token(offer: Offer) -> bytes:
    try:
        return b64decode(offer.rest.partition(b",")[0], validate=True)
    except (NotBase64, ValueError):
        raise Refused("no base64") from None
