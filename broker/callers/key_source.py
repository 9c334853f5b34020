"""Where the keys of an issuer come from: fetched when they are needed, kept, and fetched again when they roll over."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from time import monotonic

from broker.callers.jwks import SigningKey, read_keys

log = logging.getLogger(__name__)
_IMPATIENT = 2.0

Fetch = Callable[[], Awaitable[object]]
"""Gives a parsed JWK set; raises `OSError` or `ValueError`, whose text may be logged."""


class KeySource:
    """One fetch at a time, shared by all who wait for it. What was fetched last is good until the next success."""

    def __init__(self, name: str, fetch: Fetch, *, refresh: float, retry: float) -> None:
        """`refresh` and `retry` in seconds: how old keys get, and how often an unknown one is asked for."""
        self._name = name
        self._fetch = fetch
        self._refresh = refresh
        self._retry = retry
        self._keys: dict[str, SigningKey] = {}
        self._fetched = 0.0
        self._tried = 0.0
        self._task: asyncio.Task[None] | None = None

    @property
    def empty(self) -> bool:
        """Whether no keys were ever fetched."""
        return not self._fetched

    @property
    def may_ask(self) -> bool:
        """Whether a fetch is under way or may be started: whoever makes up key ids must not make the broker a flood."""
        # Without any keys nobody gets in, and nothing is gained by waiting long.
        pause = min(self._retry, _IMPATIENT) if self.empty else self._retry
        return self._task is not None or not self._tried or monotonic() - self._tried >= pause

    def find(self, kid: str) -> SigningKey | None:
        """The key that is known by this id; old keys are fetched anew in the background."""
        if not self.empty and self.may_ask and monotonic() - self._fetched >= self._refresh:
            self._start()
        return self._keys.get(kid)

    async def ask(self, kid: str) -> SigningKey | None:
        """The key of this id after a fetch, where one may be made."""
        if self.may_ask:
            # A caller that leaves does not take the fetch of the others with it.
            await asyncio.shield(self._start())
        return self._keys.get(kid)

    def close(self) -> None:
        """Give up a fetch under way."""
        if self._task is not None:
            self._task.cancel()

    def _start(self) -> "asyncio.Task[None]":
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._update())
        return self._task

    async def _update(self) -> None:
        self._tried = monotonic()
        try:
            keys = read_keys(await self._fetch())
            if not keys:
                raise ValueError("the set holds no key that can be used")
        except (OSError, ValueError) as error:
            kept = "the keys fetched last stay in use" if not self.empty else "no token can be checked"
            log.warning(
                "callers.%s: keys cannot be fetched: %s; %s",
                self._name,
                str(error) or type(error).__name__,
                kept,
                extra={"event": "caller_keys_failed"},
            )
        else:
            self._keys, self._fetched = keys, monotonic()
            log.info("callers.%s: %d keys fetched", self._name, len(keys), extra={"event": "caller_keys"})
        finally:
            self._task = None
