"""The limits that replicas share, and what happens while their store is away.

While it is, nobody waits for it: `take` raises `StoreAway` at once, and the store is tried again in the background.
"""

import asyncio
import random
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from redis.exceptions import NoScriptError, ResponseError

from broker.core.rates import Rate
from broker.policy.shared_bucket import Asked, Refused, SharedBucket, StoreAway
from broker.policy.shared_link import StoreDenied, StoreSettings, away, link, opened
from broker.policy.shared_pipe import Pipe
from broker.policy.shared_presence import Presence
from broker.policy.shared_script import DIGEST, SCRIPT, Answer, Terms, operands

_REACHED: Final = 1.0, 5.0
"""Least and most seconds for connection, TLS, login and the first look; no call waits for them, but the start does."""
_BEAT: Final = 10.0
"""Seconds between two looks at it: below what servers and firewalls wait before they drop an idle connection. It is
steady from the second on."""
_TRIAL: Final = SharedBucket("trial", Rate(1000.0, 1000.0))
_RANDOM: Final = random.Random()  # noqa: S311 - spreads load, guards nothing


class SharedStore:
    """A Redis or Valkey server with buckets; `SharedLimits`. It needs an event loop from `begin` on."""

    def __init__(self, name: str, settings: StoreSettings) -> None:
        """`name`: how the log calls it."""
        self.name = name
        self._presence = Presence(name)
        self.fallbacks = 0
        """Calls that were decided without it."""
        self._settings = settings
        self._pipe: Pipe | None = None
        self._task: asyncio.Task[None] | None = None
        self._tried = asyncio.Event()

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
                await self._use(await self._reached())
            except Exception as error:
                reason = error if isinstance(error, StoreAway) else away(error)
                seconds = self._presence.gone(reason)
                self._tried.set()
                await self._pause(reason, seconds)

    async def _reached(self) -> Pipe:
        """A connection on which it works, within the time that the start may wait; or `StoreAway`."""
        least, most = _REACHED
        seconds = min(max(least, 4 * self._settings.timeout), most)
        pipe: Pipe | None = None
        try:
            async with asyncio.timeout(seconds):
                pipe = Pipe(await opened(link(self._settings)), self._settings.timeout)
                await self._beat(pipe)
                return pipe
        except BaseException as error:
            if pipe is not None:
                await pipe.close()
            if isinstance(error, TimeoutError):
                raise StoreAway(f"not reached within {seconds:g}s") from None
            raise

    async def _use(self, pipe: Pipe) -> None:
        """Share limits for as long as it works; raises `StoreAway` then."""
        self._pipe = pipe
        self._presence.there(steady=False)
        self._tried.set()
        try:
            while True:
                await asyncio.wait([pipe.over], timeout=_BEAT)
                await self._beat(pipe)
                self._presence.there(steady=True)
        finally:
            self._pipe = None
            await pipe.close()

    async def _beat(self, pipe: Pipe) -> None:
        """See that it answers what calls ask, and takes writes; that leaves the script with it as well."""
        trial = operands([Terms(self._settings.key(_TRIAL), _TRIAL.rate, 1.0)])
        try:
            await pipe.ask("EVAL", SCRIPT, *trial)
            await pipe.ask("EVALSHA", DIGEST, *trial)
        except ResponseError as error:
            raise away(error) from None

    async def _pause(self, reason: StoreAway, seconds: float) -> None:
        await asyncio.sleep(seconds * (0.75 + 0.5 * _RANDOM.random()))
        if isinstance(reason, StoreDenied) and self._settings.password is not None:
            # It may have changed, there and where it is kept.
            await self._settings.password.renew()


def _charged(asked: Sequence[Asked], shares: Sequence[int]) -> list[SharedBucket]:
    """All buckets, and those shares that had to help."""
    return [one.bucket for one in asked] + [share for at in shares if (share := asked[at - 1].share) is not None]
