"""The limits that replicas share, and what happens while their store is away.

While it is, nobody waits for it: `take` raises `StoreAway` at once, and the store is tried again in the background.
"""

import asyncio
import logging
import random
from collections.abc import Sequence
from contextlib import suppress
from time import monotonic
from typing import Final

from redis.asyncio import Connection
from redis.exceptions import NoScriptError, ResponseError

from broker.core.rates import Rate
from broker.policy.shared_bucket import Asked, Refused, SharedBucket, StoreAway
from broker.policy.shared_link import StoreDenied, StoreSettings, away, link, opened
from broker.policy.shared_pipe import Pipe
from broker.policy.shared_script import DIGEST, SCRIPT, Answer, Terms, operands

log = logging.getLogger(__name__)

_CONNECT: Final = 1.0, 5.0
"""Least and most seconds for connection, TLS and login together; no call waits for them, but the start does."""
_SOON: Final = 0.1
_PAUSE: Final = 1.0
"""Seconds before the first attempt to get it back, and before each that follows; a quarter more or less."""
_BEAT: Final = 10.0
"""Seconds between two looks at it: below what servers and firewalls wait before they drop an idle connection."""
_TRIAL: Final = SharedBucket("trial", Rate(1000.0, 1000.0))
_RANDOM: Final = random.Random()  # noqa: S311 - spreads load, guards nothing


class SharedStore:
    """A Redis or Valkey server with buckets; `SharedLimits`. It needs an event loop from `begin` on."""

    def __init__(self, name: str, settings: StoreSettings) -> None:
        """`name`: how the log calls it."""
        self.name = name
        self.fallbacks = 0
        """Calls that were decided without it."""
        self._settings = settings
        self._pipe: Pipe | None = None
        self._task: asyncio.Task[None] | None = None
        self._tried = asyncio.Event()
        self._away_since: float | None = None

    @property
    def up(self) -> bool:
        """Whether limits are shared now."""
        return self._pipe is not None and not self._pipe.over.done()

    async def begin(self) -> None:
        """See `SharedLimits.begin`."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._keep())
        await self._tried.wait()

    async def close(self) -> None:
        """See `SharedLimits.close`."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    # Asking.

    async def take(self, asked: Sequence[Asked]) -> list[SharedBucket] | Refused:
        """See `SharedLimits.take`."""
        try:
            return await self._take(asked)
        except StoreAway:
            self.fallbacks += 1
            raise

    async def _take(self, asked: Sequence[Asked]) -> list[SharedBucket] | Refused:
        pipe = self._pipe
        if pipe is None:
            raise StoreAway("it is away")
        command = operands([self._terms(one) for one in asked])
        try:
            future = pipe.ask("EVALSHA", DIGEST, *command)
            try:
                which, wait, shares = await self._answer(future, asked)
            except NoScriptError:
                which, wait, shares = await self._answer(pipe.ask("EVAL", SCRIPT, *command), asked)
            return Refused(int(which) - 1, float(wait)) if which else _charged(asked, shares)
        except (ResponseError, ValueError, TypeError) as error:
            reason = away(error)
            pipe.end(reason)
            raise reason from None

    async def _answer(self, future: "asyncio.Future[Answer]", asked: Sequence[Asked]) -> Answer:
        """The answer to a question, which goes on without its call: who leaves meanwhile has cost nothing."""

        def undo(done: "asyncio.Future[Answer]") -> None:
            if done.exception() is None and not done.result()[0]:
                self.give_back(_charged(asked, done.result()[2]))

        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            future.add_done_callback(undo)
            raise

    def give_back(self, buckets: Sequence[SharedBucket]) -> None:
        """See `SharedLimits.give_back`."""
        command = operands([Terms(self._settings.key(bucket), bucket.rate, -1.0) for bucket in buckets])
        if self._pipe is not None:
            with suppress(StoreAway):
                self._pipe.ask("EVALSHA", DIGEST, *command).add_done_callback(asyncio.Future.exception)

    def _terms(self, asked: Asked) -> Terms:
        key, bucket, share = self._settings.key, asked.bucket, asked.share
        of_share = None if share is None else (key(share), share.rate)
        return Terms(key(bucket), bucket.rate, 1.0, asked.kept, of_share)

    # Keeping it.

    async def _keep(self) -> None:
        while True:
            try:
                await self._use(Pipe(await self._connected(), self._settings.timeout))
            except Exception as error:
                reason = error if isinstance(error, StoreAway) else away(error)
                await self._pause(reason, _SOON if self._gone(reason) else _PAUSE)

    async def _connected(self) -> Connection:
        least, most = _CONNECT
        seconds = min(max(least, 4 * self._settings.timeout), most)
        try:
            async with asyncio.timeout(seconds):
                return await opened(link(self._settings))
        except TimeoutError:
            raise StoreAway(f"no connection within {seconds:g}s") from None

    async def _use(self, pipe: Pipe) -> None:
        """Share limits for as long as it works; raises `StoreAway` then."""
        try:
            while True:
                await self._beat(pipe)
                self._there(pipe)
                await asyncio.wait([pipe.over], timeout=_BEAT)
        finally:
            self._pipe = None
            await pipe.close()

    async def _beat(self, pipe: Pipe) -> None:
        """See that it answers, and takes writes; that leaves the script with it as well."""
        trial = operands([Terms(self._settings.key(_TRIAL), _TRIAL.rate, 1.0)])
        try:
            await pipe.ask("EVAL", SCRIPT, *trial)
        except ResponseError as error:
            raise away(error) from None

    async def _pause(self, reason: StoreAway, seconds: float) -> None:
        await asyncio.sleep(seconds * (0.75 + 0.5 * _RANDOM.random()))
        if isinstance(reason, StoreDenied) and self._settings.password is not None:
            # It may have changed, there and where it is kept.
            await self._settings.password.renew()

    def _there(self, pipe: Pipe) -> None:
        self._pipe = pipe
        self._tried.set()
        if self._away_since is not None:
            seconds = round(monotonic() - self._away_since, 1)
            self._away_since = None
            extra = {"event": "limits_store_back", "store": self.name, "seconds": seconds}
            log.info("limits are shared among replicas again", extra=extra)

    def _gone(self, reason: StoreAway) -> bool:
        """Say so, once; whether that is news."""
        self._tried.set()
        if self._away_since is not None:
            return False
        self._away_since = monotonic()
        extra = {"event": "limits_store_away", "store": self.name, "cause": str(reason)}
        log.error("limits are not shared now: each replica grants the whole of them", extra=extra)
        return True


def _charged(asked: Sequence[Asked], shares: Sequence[int]) -> list[SharedBucket]:
    """All buckets, and those shares that had to help."""
    return [one.bucket for one in asked] + [share for at in shares if (share := asked[at - 1].share) is not None]
