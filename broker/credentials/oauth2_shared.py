"""What brings a shared token into calls, and where tokens are shared."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, Protocol

from broker.config.base import Model
from broker.core.message import Line
from broker.core.ports import SecretSource, SourceResolver
from broker.credentials.flow import MASK, Await, Call, Flow, Transform
from broker.credentials.tokens import Issuer, Pace, SharedToken

Make = Callable[[Any, SourceResolver], "PrimedIssuer"]


class TokenInjector:
    """`Authorization: Bearer …` (RFC 6750 section 2.1) with a token that is had from somewhere."""

    fields = frozenset({b"authorization"})
    query_fields: frozenset[bytes] = frozenset()
    preview: tuple[Line, ...] = ((b"Authorization", b"Bearer " + MASK),)
    bound = False
    holds_body = False
    hashes_body = False
    transform: Transform | None = None

    def __init__(self, token: SharedToken) -> None:
        self.type = token.issuer.type
        self._token = token

    def flow(self, call: Call) -> Flow:
        """See `Injector.flow`: after a 401, another token is tried once."""
        token = self._token.current()
        if token is None:
            token = yield Await(self._token.get)
        yield token.send
        if not call.repeatable:
            self._token.refuse(token)
            return
        other = yield Await(partial(self._token.instead_of, token))
        if other is not None:
            yield other.send


class PrimedIssuer(Issuer, Protocol):
    """One whose secrets can be looked at before they are needed."""

    @property
    def sources(self) -> Sequence[SecretSource]:
        """What they are."""

    def prime(self) -> None:
        """Raises `SecretUnavailable` when they are not fit for what they are for."""


def token_injector(
    credentials: Model, source: SourceResolver, make: Make, tokens: "TokenStore | None", route: str
) -> TokenInjector:
    """What brings in the token of these credentials; `tokens`: None where nothing is sent, as in `explain`.

    Raises `SecretUnavailable` or `ValueError` when there can never be one.
    """

    def primed() -> Issuer:
        issuer = make(credentials, source)
        if tokens is not None and all(one.version for one in issuer.sources):
            issuer.prime()
        return issuer

    store = TokenStore() if tokens is None else tokens
    return TokenInjector(store.share(credentials.model_dump_json(), route, primed))


class TokenStore:
    """All tokens of a configuration: routes whose credentials are equal share one."""

    def __init__(self, pace: Pace | None = None, before: "TokenStore | None" = None) -> None:
        """`before`: whose tokens are gone on with, where the credentials are the same."""
        self._pace = pace or Pace()
        self.tokens: dict[str, SharedToken] = {}
        self._routes: dict[str, str] = {}
        self._before = {} if before is None else before.tokens

    def share(self, key: str, route: str, make: Callable[[], Issuer]) -> SharedToken:
        """The token under `key`; the first `route` to ask for it is the one under which it is counted."""
        self.keep(key, route)
        token = self.tokens.get(key)
        if token is None:
            token = self.tokens[key] = SharedToken(make(), route, self._pace)
            self._routes[key] = route
        return token

    def keep(self, key: str, route: str) -> None:
        """Go on with the token that there was under `key`, if there was one."""
        if key in self._before and key not in self.tokens:
            self.tokens[key] = self._before[key]
            self._routes[key] = route

    def settle(self) -> None:
        """These are the tokens in use now: each counts for its first route, and those before are let go of."""
        for key, token in self.tokens.items():
            token.route = self._routes[key]
        self._before = {}

    def __iter__(self) -> Iterator[SharedToken]:
        return iter(self.tokens.values())

    async def close(self) -> None:
        """Give up what is under way, and let go of connections."""
        await self.close_others(())

    async def close_others(self, kept: Iterable[SharedToken]) -> None:
        """Like `close`, but for those that are used elsewhere."""
        spared = set(kept)
        await asyncio.gather(*(token.close() for token in self if token not in spared))
