"""The running broker: starts what the configuration names, follows its changes, drains, and stops."""

import asyncio
import logging
import time
from pathlib import Path
from typing import Any

from broker.admin.server import AdminServer
from broker.app_states import States
from broker.collector import calm_collector
from broker.compile import compile_config
from broker.compile_carry import Before
from broker.compiled import Compiled
from broker.config.load import usable
from broker.config.model import Config
from broker.descriptors import raise_descriptor_limit, warn_of_descriptors
from broker.listener.listener import Listener
from broker.observe.finish import Observer
from broker.observe.logs import set_up_logging
from broker.observe.redact import Redactor
from broker.observe.tally import Tallies
from broker.reload import Reloader
from broker.reload_step import Loaded, load
from broker.running import Running, StartError, begin_sharing, reason
from broker.secretstore.store import SecretStore

__all__ = ["App", "StartError"]

log = logging.getLogger(__name__)


class App:
    """One broker process."""

    def __init__(self, path: Path, *, log_setup: bool = True) -> None:
        """`path`: the routes file; `log_setup`: whether to take over the process's logging."""
        self._path = path
        self._log_setup = log_setup
        self._running: Running | None = None
        self._reloader: Reloader | None = None
        self._ready = False
        self._asked_early = False
        self.admin: AdminServer | None = None

    async def start(self) -> None:
        """Load, compile, bind. Raises `ConfigError`, `CompileError` or `StartError`; nothing is left bound then."""
        loaded = load(self._path)
        config = usable(loaded.config, loaded.faults)
        running = self._running = Running()
        if self._log_setup:
            set_up_logging(config.log.level, running.redactor)
        for fault in loaded.faults:
            log.warning("%s", fault, extra={"event": "config_fault"})
        running.secrets = running.new_store(config.secrets)
        running.references = loaded.references
        try:
            await running.secrets.start(loaded.references)
            running.compiled = compile_config(config, running.wheel, running.secrets, Before(files=loaded.files))
            running.log_access(config.log.access)
            running.remember(running.compiled)
            raise_descriptor_limit()
            await begin_sharing(running.compiled)
            await self._open(running, config)
        except BaseException:
            await self.stop(drain_seconds=0)
            raise
        self._go(running, loaded)

    async def _open(self, running: Running, config: Config) -> None:
        running.listeners = await running.bind(running.state, config.listeners)
        admin = AdminServer(config.admin.bind, States(running).registry(), self._is_ready, self._status, self._reload)
        try:
            await admin.start()
        except OSError as error:
            message = f"admin.bind: cannot listen on {config.admin.bind}: {reason(error)}"
            raise StartError(message, ("admin", "bind")) from None
        self.admin = admin

    def _go(self, running: Running, loaded: Loaded) -> None:
        running.tallies.reloads["success"] += 1
        running.tallies.last_reload = time.time()
        self._reloader = Reloader(running, self._path, loaded, self._applied)
        calm_collector()
        self._ready = True
        warn_of_descriptors(running.state.config)
        if self._asked_early:
            self._reloader.request("start")
        log.info("ready", extra={"event": "ready", "listeners": self.addresses()})

    def addresses(self) -> dict[str, str]:
        """What each listener is really bound to, by name."""
        return {name: "{}:{}".format(*listener.address) for name, listener in self.listeners.items()}

    # Reloading.

    def reload(self, trigger: str) -> "asyncio.Future[Any] | None":
        """Read the file again; None where that comes after the start, or never."""
        if self._reloader is None:
            self._asked_early = True
            return None
        return self._reloader.request(trigger)

    async def _reload(self) -> dict[str, Any]:
        asked = self.reload("admin")
        if asked is not None:
            # The one who asked may leave; the reload goes on.
            await asyncio.wait([asked])
        return self._status()

    def _applied(self) -> None:
        """Settings that are nobody's in particular."""
        running, admin = self._parts, self.admin
        config = running.state.config
        running.log_access(config.log.access)
        warn_of_descriptors(config)
        if self._log_setup:
            logging.getLogger().setLevel(config.log.level.upper())
        if admin is not None and admin.bind != config.admin.bind:
            log.warning("admin.bind: takes effect with a restart", extra={"event": "config_fault"})

    def _status(self) -> dict[str, Any]:
        return {} if self._reloader is None else self._reloader.status()

    def _is_ready(self) -> bool:
        return self._ready

    # Stopping.

    async def drain(self, *, grace: bool = True) -> None:
        """Withdraw readiness, wait `drain_grace` if `grace`, let calls finish within `drain_timeout`, then stop."""
        running = self._parts
        self._ready = False
        await self._end_reloads()
        config = running.state.config
        log.info("draining", extra={"event": "draining", "calls": len(running.calls()) + running.alone})
        for listener in running.listeners.values():
            listener.announce()
        if grace:
            await asyncio.sleep(config.drain_grace)
        await self.stop(drain_seconds=config.drain_timeout)

    async def stop(self, drain_seconds: float) -> None:
        """Stop everything; calls under way after `drain_seconds` are cut off, with an answer where none has begun."""
        self._ready = False
        await self._end_reloads()
        running = self._parts
        for listener in running.listeners.values():
            listener.drain()
        try:
            async with asyncio.timeout(max(drain_seconds, 0.05)):
                await running.over()
        except TimeoutError:
            late = len(running.calls()) + running.alone
            log.warning("calls were cut off", extra={"event": "drain_timeout", "calls": late})
        calls = running.calls()
        await asyncio.gather(*(listener.cut_off() for listener in running.all_listeners))
        if calls:
            await asyncio.wait(calls, timeout=5)
        if self.admin is not None:
            await self.admin.stop()
        await running.close()

    async def _end_reloads(self) -> None:
        reloader, self._reloader = self._reloader, None
        if reloader is not None:
            await reloader.close()

    # The parts.

    @property
    def _parts(self) -> Running:
        assert self._running is not None  # noqa: S101 - set by start
        return self._running

    @property
    def listeners(self) -> dict[str, Listener]:
        """Those that accept, by name."""
        return self._parts.listeners

    @property
    def redactor(self) -> Redactor:
        """Masks every known secret."""
        return self._parts.redactor

    @property
    def tallies(self) -> Tallies:
        """All counts."""
        return self._parts.tallies

    @property
    def secrets(self) -> SecretStore:
        """Where secrets are kept current."""
        return self._parts.store

    @property
    def _compiled(self) -> Compiled:
        return self._parts.state

    @property
    def _observer(self) -> Observer:
        return self._parts.observer
