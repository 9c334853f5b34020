"""Tokens that calls and routes share: had once, renewed in time by one task, and not asked for in vain."""

import asyncio
import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf
from typing import Final, Protocol

from broker.core.secret import SecretUnavailable
from broker.credentials.flow import CredentialUnavailable, Send

log = logging.getLogger(__name__)
_RANDOM: Final = random.Random()  # noqa: S311 - spreads load, guards nothing


@dataclass(frozen=True, slots=True)
class Grant:
    """What an issuer gave."""

    value: bytes = field(repr=False)
    lifetime: float
    """Seconds, from when it was asked for."""


class Issuer(Protocol):
    """Who gives tokens."""

    type: str
    """As in `credentials.type`."""
    name: str
    """What logs call it."""

    async def grant(self, *, fresh: bool) -> Grant:
        """Ask; `fresh`: the token given last is refused. Raises `CredentialUnavailable` or `SecretUnavailable`."""

    async def close(self) -> None:
        """Let go of connections."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast things go, in seconds."""

    ahead: float = 60.0
    """Before its end a token is renewed; of a short life, the last third is enough."""
    retry: float = 1.0
    """Until the first try after a failure; doubled with each."""
    retry_most: float = 30.0
    patience: float = 1.0
    """How long a call waits for a try that follows on a failure."""
    renew_gap: float = 30.0
    """Between two renewals because of refused tokens: some upstreams answer 401 whatever they are shown."""


@dataclass(frozen=True, slots=True)
class Token:
    """A token in use; times are those of `time.monotonic`."""

    value: bytes = field(repr=False)
    send: Send = field(repr=False)
    renew_at: float
    until: float


class SharedToken:
    """One token. Nothing is asked for without a call that wants it, and never twice at once."""

    def __init__(self, issuer: Issuer, route: str, pace: Pace, clock: Callable[[], float] = time.monotonic) -> None:
        """`route`: under which it is counted."""
        self.issuer = issuer
        self.route = route
        self.counts: dict[str, int] = {}
        """Token requests by outcome."""
        self.expires: float | None = None
        """When the token ends, in seconds since the epoch."""
        self._pace = pace
        self._clock = clock
        self._token: Token | None = None
        self._refused: Token | None = None
        self._flight: asyncio.Task[Token | None] | None = None
        self._renewed = -inf
        self._retry_at = -inf
        self._failures = 0
        self._error = ""

    def current(self) -> Token | None:
        """The token, when there is a good one; one that ends soon is renewed meanwhile."""
        token, now = self._token, self._clock()
        if token is None or token is self._refused or now >= token.until:
            return None
        if now >= token.renew_at and now >= self._retry_at:
            self._start(fresh=False)
        return token

    async def get(self) -> Token:
        """The token, as soon as there is one; raises `CredentialUnavailable`."""
        token = self.current()
        if token is not None:
            return token
        if self._flight is None and self._clock() < self._retry_at:
            raise CredentialUnavailable(self._error)
        flight = self._start(fresh=False)
        # Nobody who leaves takes the request of the others along: `wait` cancels nothing.
        await asyncio.wait({flight}, timeout=self._pace.patience if self._failures else None)
        found = flight.result() if flight.done() and not flight.cancelled() else None
        if found is None:
            raise CredentialUnavailable(self._error or "the token request was given up")
        return found

    def refuse(self, token: Token) -> None:
        """The upstream does not take `token`: get another, unless that was done just now or cannot be done."""
        now = self._clock()
        if token is not self._token or token is self._refused:
            return
        if now < self._retry_at or now - self._renewed < self._pace.renew_gap:
            return
        self._refused, self._renewed = token, now
        self._start(fresh=True)

    async def instead_of(self, token: Token) -> Token | None:
        """Another token than the refused one; None when there is none. Raises `CredentialUnavailable`."""
        self.refuse(token)
        if token is self._token and token is not self._refused:
            return None
        found = await self.get()
        return None if found.value == token.value else found

    async def close(self) -> None:
        """Give up what is under way."""
        if self._flight is not None:
            self._flight.cancel()
            await asyncio.wait({self._flight})
        await self.issuer.close()

    def _start(self, *, fresh: bool) -> "asyncio.Task[Token | None]":
        if self._flight is None:
            self._flight = asyncio.get_running_loop().create_task(self._ask(fresh))
        return self._flight

    async def _ask(self, fresh: bool) -> Token | None:
        asked = self._clock()
        try:
            grant = await self.issuer.grant(fresh=fresh)
        except (CredentialUnavailable, SecretUnavailable) as error:
            self._fail(str(error))
        except Exception as error:
            # A fault of a library must not end the asking. Its text is left out: nobody knows what is in it.
            self._fail(f"{self.issuer.name}: {type(error).__name__}")
        else:
            return self._take(grant, asked)
        finally:
            self._flight = None
        return None

    def _take(self, grant: Grant, asked: float) -> Token:
        life = grant.lifetime
        ahead = min(self._pace.ahead, life / 3) * _RANDOM.uniform(1.0, 1.2)
        # The last moments are left out: a token must not end on its way.
        until = asked + life - min(5.0, life / 10)
        sent = Send(((b"Authorization", b"Bearer " + grant.value),))
        self._token = token = Token(grant.value, sent, asked + life - ahead, until)
        self._refused = None
        self.expires = time.time() + life - (self._clock() - asked)
        self._count("success")
        if self._failures:
            log.info("tokens can be had again", extra={"event": "credential_back", **self._labels()})
        self._failures, self._retry_at, self._error = 0, -inf, ""
        return token

    def _fail(self, cause: str) -> None:
        self._error = cause
        # A refused token comes back: it may have been refused to one call only, and there is no better one.
        self._refused = None
        self._count("failed")
        if not self._failures:
            event = {"event": "credential_down", **self._labels(), "cause": cause}
            log.warning("no token can be had; one that is still good stays in use", extra=event)
        delay = min(self._pace.retry_most, self._pace.retry * 2.0 ** min(self._failures, 20))
        self._failures += 1
        self._retry_at = self._clock() + delay * _RANDOM.uniform(0.8, 1.0)

    def _labels(self) -> dict[str, str]:
        return {"type": self.issuer.type, "issuer": self.issuer.name, "route": self.route}

    def _count(self, outcome: str) -> None:
        self.counts[outcome] = self.counts.get(outcome, 0) + 1
