"""One place of a provider: asks for what is there, in time, and never twice at once."""

import asyncio
import random
from dataclasses import dataclass
from math import inf
from time import monotonic
from typing import Final

from broker.config.secret_ref import LOCAL
from broker.core.secret import Secret, SecretPending, SecretUnavailable
from broker.secretstore.journal import Journal
from broker.secretstore.provider import Fetched, Provider, ProviderDown
from broker.secretstore.source import Source

_LEAST: Final = 0.1
_RANDOM: Final = random.Random()  # noqa: S311 - spreads load, guards nothing


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast things go, in seconds."""

    refresh: float = 60.0
    timeout: float = 10.0
    """For one answer."""
    renew_gap: float = 5.0
    """`renew` asks at most once in so long: an upstream that answers 401 to everything must not flood the provider."""
    retry: float = 1.0
    """Until the first try after a failure; doubled with each."""
    retry_most: float = 60.0
    poll: float = 1.0
    """Between two looks at files."""
    settle: float = 1.0
    """How long a changed file has to be left alone before it is read."""


class Feed:
    """The secrets at one place."""

    def __init__(
        self, scheme: str, place: str, provider: Provider, gate: asyncio.Semaphore, pace: Pace, journal: Journal
    ) -> None:
        """`gate` limits how many feeds ask this provider at once."""
        self.scheme = scheme
        self.place = place
        self.name = f"{scheme}:{place}"
        self.sources: dict[str, Source] = {}
        self.failing = False
        self.confirmed = -inf
        """When the provider last said what is there; monotonic seconds."""
        self._missing = SecretUnavailable if scheme in LOCAL else SecretPending
        self._provider = provider
        self._gate = gate
        self._pace = pace
        self._journal = journal
        self._flight: asyncio.Task[None] | None = None
        self._flight_fresh = False
        self._renewed = -inf
        self._failures = 0
        self._values: dict[str, Secret] = {}
        self._due = -inf
        self._moved = asyncio.Event()

    def source(self, key: str, name: str) -> Source:
        """The source of the secret under `key`."""
        source = self.sources.get(key)
        if source is None:
            source = self.sources[key] = Source(name, self.renew, self._missing(f"{name}: no answer so far"))
            if self._values:
                self._give(key, source)
        return source

    async def keep(self) -> None:
        """Ask in time, for ever."""
        while True:
            delay = self._due - monotonic()
            if delay <= 0:
                await self.refresh()
                continue
            self._moved.clear()
            try:
                async with asyncio.timeout(delay):
                    await self._moved.wait()
            except TimeoutError:
                pass

    async def refresh(self, fresh: bool = False) -> None:
        """Ask now, or wait for the answer that somebody else is waiting for. Raises nothing."""
        while self._flight is not None:
            enough = self._flight_fresh or not fresh
            await asyncio.shield(self._flight)
            if enough:
                return
        self._flight_fresh = fresh
        self._flight = asyncio.create_task(self._ask(fresh))
        await asyncio.shield(self._flight)

    async def renew(self) -> None:
        """Ask for something fresh, unless that was done just now; what is on this machine can always be asked."""
        if self.scheme not in LOCAL and monotonic() - self._renewed < self._pace.renew_gap:
            return
        await self.refresh(fresh=True)

    def cancel(self) -> "asyncio.Task[None] | None":
        """Give up the answer under way; returns what has to end yet."""
        if self._flight is not None:
            self._flight.cancel()
        return self._flight

    def confirm(self) -> None:
        """What is known is still there: nobody had to be asked. Says nothing about what could not be read."""
        if self._failures == 0:
            self.confirmed = monotonic()

    def take(self, fetched: Fetched) -> None:
        """What the provider said is what is there."""
        self._values = dict(fetched.values)
        found = [self._give(key, source) for key, source in self.sources.items()]
        self.confirmed = monotonic()
        self._failures = 0
        delay = fetched.within if fetched.leased else min(self._pace.refresh, fetched.within)
        self._schedule(delay * _RANDOM.uniform(0.85, 1.0))
        self._journal.answered(self, [name for name in found if name], self.sources.keys() - self._values.keys())

    def fail(self, error: SecretUnavailable) -> None:
        """The provider said nothing of use: the last good values stay."""
        self.miss(error)
        self._failures += 1
        delay = min(self._pace.retry_most, self._pace.retry * 2.0 ** min(self._failures - 1, 20))
        self._schedule(delay * _RANDOM.uniform(0.5, 1.0))
        self._journal.failed(self, error)

    def miss(self, error: SecretUnavailable) -> None:
        """What sources say that never had a value."""
        for source in self.sources.values():
            text = str(error)
            source.miss(self._missing(text if text.startswith(source.name) else f"{source.name}: {text}"))

    async def _ask(self, fresh: bool) -> None:
        try:
            async with self._gate, asyncio.timeout(self._pace.timeout):
                fetched = await self._provider.fetch(self.place, fresh=fresh)
        except TimeoutError:
            self.fail(ProviderDown(f"no answer within {self._pace.timeout:g}s"))
        except SecretUnavailable as error:
            self.fail(error)
        except Exception as error:
            # Its text is left out: nobody knows what an SDK puts there.
            self.fail(ProviderDown(type(error).__name__))
        else:
            self.take(fetched)
        finally:
            if fresh:
                self._renewed = monotonic()
            self._flight = None

    def _schedule(self, delay: float) -> None:
        self._due = monotonic() + max(delay, _LEAST)
        self._moved.set()

    def _give(self, key: str, source: Source) -> str:
        """Hand the value to its source; returns the source's name where it had another one before."""
        value = self._values.get(key)
        if value is None:
            source.miss(self._missing(f"{source.name}: there is no text under this key"))
            return ""
        if source.holds(value):
            return ""
        rotated = source.version > 0
        # Whoever masks secrets learns of it before anybody can send it.
        self._journal.changed(value, source.current() if rotated else None)
        source.take(value)
        return source.name if rotated else ""
