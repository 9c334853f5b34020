"""Live secrets: one source for each reference, kept current while the broker runs."""

import asyncio
from collections.abc import Callable, Iterable
from time import monotonic
from typing import Final

from broker.config.model import Secrets
from broker.core.ports import Reference
from broker.core.secret import Secret, SecretUnavailable
from broker.secretstore.build import build_provider
from broker.secretstore.env import EnvProvider
from broker.secretstore.feed import Feed, Pace
from broker.secretstore.file import FileProvider
from broker.secretstore.journal import Changed, Journal, nobody
from broker.secretstore.provider import Provider
from broker.secretstore.source import Source

_AT_ONCE: Final = 4
"""Requests to one provider at the same time."""


class SecretStore:
    """Knows each secret as its provider last told it.

    What is on this machine is read when it is first asked for, without an event loop; the rest is asked for between
    `start` and `close` only.
    """

    def __init__(
        self,
        config: Secrets,
        changed: Changed = nobody,
        pace: Pace | None = None,
        retired: Callable[[Secret], None] = lambda _: None,
    ) -> None:
        """`changed` is told of each new value, and of the one that it replaces; `retired` of those nobody asks for."""
        self._config = config
        self._pace = pace or Pace(refresh=config.refresh, timeout=config.timeout)
        self._changed = changed
        self._retired = retired
        self._journal = Journal(self._told)
        self._providers: dict[str, Provider] = {}
        self._gates: dict[str, asyncio.Semaphore] = {}
        self._feeds: dict[tuple[str, str], Feed] = {}
        self._tasks: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._watch: asyncio.Task[None] | None = None
        self._running = False

    def source(self, reference: Reference) -> Source:
        """The one source of `reference`; raises `SecretUnavailable` when no provider here can ever know it."""
        provider = self._provider(reference.scheme)
        place, key = provider.split(reference.rest)
        at = reference.scheme, place
        feed = self._feeds.get(at)
        if feed is None:
            feed = Feed(*at, provider, self._gates[reference.scheme], self._pace, self._journal)
            self._feeds[at] = feed
        source = feed.source(key, f"{reference.scheme}:{reference.rest}")
        if isinstance(provider, EnvProvider | FileProvider):
            self._read(feed, provider, source)
        elif self._running and at not in self._tasks:
            self._tasks[at] = asyncio.create_task(feed.keep())
        return source

    def resolve(self, reference: Reference) -> Secret:
        """The secret as it is now; raises `SecretUnavailable`, `SecretPending` where it may still come."""
        return self.source(reference).current()

    async def start(self, references: Iterable[Reference], patience: float | None = None) -> None:
        """Ask for all of them, and keep them current from now on; raises nothing.

        Returns when each was asked for once, or after `patience` seconds: what is missing then goes on being asked for.
        """
        self._running = True
        self._watch = asyncio.create_task(self._watch_files())
        await self.follow(references, patience)

    async def follow(self, references: Iterable[Reference], patience: float | None = None) -> None:
        """Like `start`, for references that come later: those that are known already are not asked for again."""
        known = set(self._tasks)
        for reference in references:
            try:
                self.source(reference)
            except SecretUnavailable:
                # Whoever uses it will say so, and knows where it is used.
                continue
        for at, feed in self._feeds.items():
            if at not in self._tasks and not isinstance(self._providers[at[0]], EnvProvider | FileProvider):
                self._tasks[at] = asyncio.create_task(feed.keep())
        first = [asyncio.create_task(self._feeds[at].refresh()) for at in self._tasks.keys() - known]
        if first:
            _, late = await asyncio.wait(first, timeout=self._pace.timeout * 1.5 if patience is None else patience)
            for waiter in late:
                waiter.cancel()

    def retain(self, references: Iterable[Reference]) -> None:
        """Ask for these only from now on; of the others the last good values stay readable where they are held."""
        wanted: dict[tuple[str, str], set[str]] = {}
        for reference in references:
            provider = self._providers.get(reference.scheme)
            if provider is not None:
                place, key = provider.split(reference.rest)
                wanted.setdefault((reference.scheme, place), set()).add(key)
        for at, feed in list(self._feeds.items()):
            for key in feed.sources.keys() - wanted.get(at, set()):
                self._forget(feed.sources.pop(key))
            if not feed.sources:
                self._drop(at)

    async def close(self) -> None:
        """Stop asking; last good values stay readable."""
        self._running = False
        tasks = [*self._tasks.values(), *([self._watch] if self._watch is not None else [])]
        self._tasks.clear()
        self._watch = None
        for task in tasks:
            task.cancel()
        flights = [flight for feed in self._feeds.values() if (flight := feed.cancel()) is not None]
        if tasks or flights:
            await asyncio.wait([*tasks, *flights])
        for provider in self._providers.values():
            await provider.close()

    # What the metrics ask.

    @property
    def counts(self) -> dict[tuple[str, str], int]:
        """Look-ups by provider and outcome."""
        return self._journal.counts

    def ages(self) -> list[tuple[str, str, float]]:
        """Provider, reference and how many seconds ago the provider last confirmed it; not of what cannot change."""
        now = monotonic()
        return [
            (feed.scheme, source.name, now - feed.confirmed)
            for feed in self._feeds.values()
            for source in feed.sources.values()
            if source.version and feed.scheme != "env"
        ]

    # Inside.

    def _forget(self, source: Source) -> None:
        if source.version:
            value = source.current()
            if not any(other.holds(value) for others in self._all() for other in others):
                self._retired(value)

    def _drop(self, at: tuple[str, str]) -> None:
        feed = self._feeds.pop(at)
        task = self._tasks.pop(at, None)
        if task is not None:
            task.cancel()
        feed.cancel()

    def _told(self, new: Secret, old: Secret | None) -> None:
        holders = 0 if old is None else sum(source.holds(old) for feed in self._all() for source in feed)
        self._changed(new, old if holders <= 1 else None)

    def _all(self) -> list[list[Source]]:
        return [list(feed.sources.values()) for feed in self._feeds.values()]

    def _provider(self, scheme: str) -> Provider:
        provider = self._providers.get(scheme)
        if provider is None:
            provider = build_provider(scheme, self._config, self._pace, lambda own: self._journal.changed(own, None))
            self._providers[scheme] = provider
            self._gates[scheme] = asyncio.Semaphore(_AT_ONCE)
        return provider

    def _read(self, feed: Feed, provider: EnvProvider | FileProvider, source: Source) -> None:
        if source.version:
            return
        try:
            feed.take(provider.read(feed.place))
        except SecretUnavailable as error:
            # Not told: at the start this is a reason to refuse it, and said there.
            feed.miss(error)

    async def _watch_files(self) -> None:
        while True:
            await asyncio.sleep(self._pace.poll)
            provider = self._providers.get("file")
            feeds = {place: feed for (scheme, place), feed in self._feeds.items() if scheme == "file"}
            if isinstance(provider, FileProvider) and feeds:
                changed = await provider.changed(feeds)
                for place in feeds.keys() - changed:
                    feeds[place].confirm()
                await asyncio.gather(*(feeds[place].refresh() for place in changed))
