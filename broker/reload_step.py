"""One reload: read all, build all, bind all, and only then change what runs."""

import asyncio
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from broker.compile import compile_config
from broker.compile_carry import Before
from broker.compiled import Compiled, CompileError
from broker.config.faults import ConfigError, Fault, Problem
from broker.config.load import examine, place, usable
from broker.config.model import Config
from broker.config.secret_ref import SecretRef
from broker.config.secret_walk import references_in
from broker.core.alarms import AlarmWheel
from broker.leaving import end_sharing
from broker.listener.listener import Listener
from broker.reload_changes import Changes, changes
from broker.reload_files import Digests, Stamp, digests, files_of, stamps
from broker.running import Running, StartError, begin_sharing
from broker.secretstore.checks import provider_settings
from broker.secretstore.store import SecretStore
from broker.tls.checks import engine_settings


@dataclass(frozen=True)
class Loaded:
    """The file as it was read, with all that it names."""

    config: Config | None
    faults: list[Fault]
    seen: dict[Path, Stamp]
    """When each file had which state; taken before the file was read, so that no later change goes unnoticed."""
    files: Digests
    references: frozenset[SecretRef]


def load(path: Path) -> Loaded:
    """Read and examine; takes its time, so it is done in a thread while calls go on."""
    seen = stamps([path])
    found, faults = examine(path, [engine_settings, provider_settings])
    named = set() if found is None else files_of(found)
    references = () if found is None else (reference for _, reference in references_in(found))
    return Loaded(found, faults, seen | stamps(named), digests(named), frozenset(references))


class Step:
    """One reload."""

    def __init__(self, running: Running, path: Path, threads: ThreadPoolExecutor) -> None:
        self._running = running
        self._path = path
        self._threads = threads
        self.seen: dict[Path, Stamp] = {}
        """The state in which files were read."""
        self.warnings: list[Fault] = []

    async def run(self) -> Changes:
        """Do it, and tell what changed; raises `ConfigError`, and then nothing did."""
        loop = asyncio.get_running_loop()
        loaded = await loop.run_in_executor(self._threads, load, self._path)
        self.seen = loaded.seen
        self.warnings = [fault for fault in loaded.faults if fault.severity == "warning"]
        config = usable(loaded.config, loaded.faults)
        try:
            return await self._put_to_work(config, loaded)
        except CompileError as error:
            raise ConfigError(await self._placed(error.problems)) from None
        except StartError as error:
            raise ConfigError(await self._placed([Problem(error.loc, str(error).partition(": ")[2])])) from None

    async def _placed(self, problems: Iterable[Problem]) -> list[Fault]:
        return await asyncio.get_running_loop().run_in_executor(self._threads, place, self._path, list(problems))

    async def _put_to_work(self, config: Config, loaded: Loaded) -> Changes:
        running, old = self._running, self._running.state
        same = config.secrets == old.config.secrets
        store = running.store if same else running.new_store(config.secrets)
        built: Compiled | None = None
        try:
            await (store.follow if same else store.start)(loaded.references)
            before = Before(old, loaded.files, same)
            build = partial(_build, config, running.wheel, store, before)
            compiled, changed = await asyncio.get_running_loop().run_in_executor(self._threads, build)
            built = compiled
            await begin_sharing(compiled)
            stay = staying(running.listeners, config)
            fresh = await running.bind(compiled, [name for name in config.listeners if name not in stay])
        except BaseException:
            if built is not None:
                await end_sharing(built, old)
            if same:
                store.retain(running.references)
            else:
                await store.close()
            raise
        running.references = loaded.references
        self._swap(compiled, store, stay | fresh)
        return changed

    def _swap(self, compiled: Compiled, store: SecretStore, listeners: dict[str, Listener]) -> None:
        """All at once: no call sees a part of this and not the rest. Nothing here can fail."""
        running, old, old_store = self._running, self._running.state, self._running.store
        calls = running.calls()
        for name, certificates in compiled.stores.items():
            certificates.hosts = compiled.hosts[name]
        for name, listener in listeners.items():
            config, serve = compiled.config.listeners[name], running.server(compiled.tables[name])
            listener.reconfigure(name, config, compiled.stores[name], serve)
        gone = [listener for listener in running.listeners.values() if listener not in listeners.values()]
        running.listeners = {name: listeners[name] for name in compiled.config.listeners}
        running.compiled, running.secrets = compiled, store
        compiled.tokens.settle()
        compiled.registry.apply()
        for listener in gone:
            running.leaving.listener(listener, compiled.config.drain_timeout)
        running.leaving.plan(old, compiled, None if store is old_store else old_store, calls)
        store.retain(running.references)
        running.remember(compiled)


def _build(config: Config, wheel: AlarmWheel, store: SecretStore, before: Before) -> tuple[Compiled, Changes]:
    """Everything that takes time, in a thread: the event loop is only needed for what then takes over."""
    compiled = compile_config(config, wheel, store, before)
    return compiled, {} if before.running is None else changes(before.running, compiled)


def staying(running: dict[str, Listener], config: Config) -> dict[str, Listener]:
    """The listeners that go on, by their new names: what makes one is its address, or its name where it has port 0."""
    found: dict[str, Listener] = {}
    for name, listener in config.listeners.items():
        if name in running and running[name].config.bind == listener.bind:
            found[name] = running[name]
    for name, listener in config.listeners.items():
        for other in running.values():
            if listener.bind.port and other.config.bind == listener.bind and other not in found.values():
                found.setdefault(name, other)
    return found
