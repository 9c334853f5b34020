"""One session with a service, shared by all calls of a route: who logs in, who waits, and when to try again."""

import asyncio
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Final

from broker.core.ports import SecretSource
from broker.credentials.flow import CredentialUnavailable
from broker.credentials.form_login_cookies import Jar

RESTS: Final = (10.0, 30.0, 60.0)
"""Seconds without a login after the first refused one, the second, and every further one."""
TROUBLE: Final = 1.0
"""Seconds without a login after the service failed at one: it did not say that the password is wrong."""

Clock = Callable[[], float]


class Refused(CredentialUnavailable):
    """The service did not take the login, or it is too early for another one."""


class Session:
    """What is known about it. A login belongs to one generation; whoever saw an older one fail need not log in."""

    def __init__(self, sources: Sequence[SecretSource], clock: Clock = monotonic) -> None:
        """`sources`: the secrets of the form."""
        self.generation = 0
        self.jar: Jar | None = None
        self.names: set[bytes] = set()
        """Of all cookies that a session ever had."""
        self._sources = sources
        self._clock = clock
        self._under_way: asyncio.Future[CredentialUnavailable | None] | None = None
        self._resting = 0.0
        self._refusals = 0
        self._reason = ""
        self._tried_with: tuple[int, ...] = ()
        self._refused_with: tuple[int, ...] = ()

    def __repr__(self) -> str:
        return f"Session(generation {self.generation})"

    @property
    def usable(self) -> bool:
        """Whether there are cookies to send."""
        return self.jar is not None and not self.jar.empty

    @property
    def busy(self) -> bool:
        """Whether a login is under way."""
        return self._under_way is not None

    async def wait(self) -> None:
        """Wait for the login that is under way; raises `CredentialUnavailable` when it fails."""
        if self._under_way is not None:
            failure = await asyncio.shield(self._under_way)
            if failure is not None:
                # A new one for each: an exception that is raised again and again collects tracebacks.
                raise type(failure)(str(failure))

    def begin(self) -> None:
        """This call logs in, and has to say how that ended. Raises `Refused` while it is too early."""
        left = self._resting - self._clock()
        if left > 0 and self._versions() == self._refused_with:
            raise Refused(f"{self._reason}; no login is tried for another {left:.0f} s")
        self._tried_with = self._versions()
        self._under_way = asyncio.get_running_loop().create_future()

    def succeed(self, jar: Jar) -> None:
        """The login worked."""
        self.jar = jar
        self.names |= jar.names
        self.generation += 1
        self._refusals, self._resting = 0, 0.0
        self._tell(None)

    def fail(self, error: CredentialUnavailable) -> None:
        """The login failed: for all who wait for it, too."""
        refused = isinstance(error, Refused)
        rest = RESTS[min(self._refusals, len(RESTS) - 1)] if refused else TROUBLE
        self._refusals += refused
        self.rest(rest, str(error))
        self._tell(error)

    def give_up(self) -> None:
        """The call that logged in was cancelled: one of those who wait takes over."""
        self._tell(None)

    def rest(self, seconds: float, reason: str) -> None:
        """Log in no more for a while, unless a secret changes."""
        self._resting = self._clock() + seconds
        self._reason = reason
        self._refused_with = self._tried_with

    @property
    def resting(self) -> bool:
        """Whether a login would be too early."""
        return self._clock() < self._resting and self._versions() == self._refused_with

    async def renew(self) -> bool:
        """Whether any of the secrets has another value than at the refused login."""
        seen = self._refused_with
        changed = [await source.renew(version) for source, version in zip(self._sources, seen, strict=True)]
        return any(changed)

    def _versions(self) -> tuple[int, ...]:
        return tuple(source.version for source in self._sources)

    def _tell(self, outcome: CredentialUnavailable | None) -> None:
        waiting, self._under_way = self._under_way, None
        if waiting is not None and not waiting.done():
            waiting.set_result(outcome)
