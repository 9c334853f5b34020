"""When the configuration is read again: on a signal, on request, or when its files changed."""

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from broker.config.faults import ConfigError
from broker.reload_changes import Changes, in_words
from broker.reload_files import Stamp, stamps
from broker.reload_step import Loaded, Step
from broker.running import Running

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Report:
    """How a reload ended."""

    at: float
    """Seconds since the epoch."""
    outcome: str
    """`success` or `failure`."""
    trigger: str
    faults: list[str] = field(default_factory=list)
    changes: Changes = field(default_factory=dict)

    def as_dict(self, redact: Callable[[str], str]) -> dict[str, Any]:
        """For the admin API."""
        faults = [redact(fault) for fault in self.faults]
        at, told = stamp_of(self.at), {"outcome": self.outcome, "trigger": self.trigger}
        return {"at": at, **told, "faults": faults, "changes": self.changes}


class Reloader:
    """Reloads one after the other. What is asked for while one is under way is answered by one more."""

    def __init__(self, running: Running, path: Path, loaded: Loaded, applied: Callable[[], None]) -> None:
        """`loaded`: what is running; `applied` is called after each success."""
        self._running = running
        self._path = path
        self._applied = applied
        self._threads = ThreadPoolExecutor(1, thread_name_prefix="reload")
        self._seen = dict(loaded.seen)
        self._versions = self._secret_versions()
        self._asked = asyncio.Event()
        self._changed = asyncio.Event()
        self._triggers: list[str] = []
        self._waiting: list[asyncio.Future[Report]] = []
        self.last = Report(time.time(), "success", "start")
        self.loaded_at = self.last.at
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._work()), loop.create_task(self._watch())]

    def request(self, trigger: str) -> "asyncio.Future[Report]":
        """Read the file again; the future tells how that ended."""
        told: asyncio.Future[Report] = asyncio.get_running_loop().create_future()
        self._waiting.append(told)
        self._triggers.append(trigger)
        self._asked.set()
        return told

    async def close(self) -> None:
        """Give up a reload under way: nothing has changed then. Whoever waits for one is told so."""
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)
        self._threads.shutdown(wait=False, cancel_futures=True)
        for told in self._waiting:
            told.cancel()

    def status(self) -> dict[str, Any]:
        """For the admin API; no secret is in it."""
        last = self.last.as_dict(self._running.redactor.redact)
        return {"loaded_at": stamp_of(self.loaded_at), "file": str(self._path), "last_reload": last}

    # Reloading.

    async def _work(self) -> None:
        while True:
            await self._asked.wait()
            self._asked.clear()
            waiting, self._waiting = self._waiting, []
            triggers, self._triggers = self._triggers, []
            try:
                self.last = await self._reload(", ".join(dict.fromkeys(triggers)))
            except asyncio.CancelledError:
                self._waiting += waiting
                raise
            for told in waiting:
                if not told.done():
                    told.set_result(self.last)

    async def _reload(self, trigger: str) -> Report:
        step = Step(self._running, self._path, self._threads)
        versions = self._secret_versions()
        try:
            changed = await step.run()
        except ConfigError as error:
            report = self._failed(trigger, [str(fault) for fault in error.faults])
        except Exception as error:
            # A fault of the broker's own must not end the watching, nor anything that runs.
            log.exception("a reload failed inside the broker", extra={"event": "reload_failed"})
            report = self._failed(trigger, [f"{self._path}:1: internal error: {type(error).__name__}"])
        else:
            report = self._succeeded(trigger, step, changed)
            versions = self._secret_versions()
        # After a failure the files of what runs are still watched, with those of what should have.
        self._seen = step.seen if report.outcome == "success" else self._seen | step.seen
        self._versions = versions
        return report

    def _failed(self, trigger: str, faults: list[str]) -> Report:
        tallies = self._running.tallies
        tallies.reloads["failure"] += 1
        tallies.last_reload_ok = False
        for fault in faults:
            log.error("%s", fault, extra={"event": "config_fault"})
        event = {"event": "reload_failed", "trigger": trigger, "faults": len(faults)}
        log.error("not reloaded; what ran before goes on", extra=event)
        return Report(time.time(), "failure", trigger, faults)

    def _succeeded(self, trigger: str, step: Step, changed: Changes) -> Report:
        tallies = self._running.tallies
        tallies.reloads["success"] += 1
        tallies.last_reload_ok = True
        tallies.last_reload = self.loaded_at = time.time()
        for fault in step.warnings:
            log.warning("%s", fault, extra={"event": "config_fault"})
        self._applied()
        self._changed.set()
        log.info("reloaded: %s", in_words(changed), extra={"event": "reloaded", "trigger": trigger, "changes": changed})
        return Report(self.loaded_at, "success", trigger, changes=changed)

    # Watching.

    async def _watch(self) -> None:
        """A change counts once it has stood for one interval: nobody reads a file that is half written."""
        pending: object = None
        while True:
            settings = self._running.state.config.reload
            await self._interval(settings.interval)
            if settings != self._running.state.config.reload:
                continue
            if not settings.watch or self._asked.is_set():
                continue
            now = await self._look()
            if now == (self._seen, self._versions):
                pending = None
            elif now == pending:
                pending = None
                await asyncio.wait([self.request("files")])
            else:
                pending = now

    async def _interval(self, seconds: float) -> None:
        """Wait so long, or until another configuration is at work: its interval may be shorter."""
        self._changed.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            pass

    async def _look(self) -> tuple[dict[Path, Stamp], tuple[int, ...]]:
        paths = list(self._seen)
        seen = await asyncio.get_running_loop().run_in_executor(self._threads, stamps, paths)
        return seen, self._secret_versions()

    def _secret_versions(self) -> tuple[int, ...]:
        return tuple(source.version for source in self._running.state.shown)


def stamp_of(seconds: float) -> str:
    """A time in UTC, as RFC 3339 has it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
