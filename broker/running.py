"""What runs: the one place that start, reload and stop change, and that metrics read."""

import asyncio
import os
from collections.abc import Iterable
from time import monotonic

from broker.compile_policy import idempotency_settings
from broker.compiled import Compiled
from broker.config.faults import Loc
from broker.config.model import Secrets
from broker.config.secret_ref import SecretRef
from broker.core.alarms import AlarmWheel
from broker.core.exchange import Exchange
from broker.core.secret import Secret
from broker.leaving import Leaving
from broker.listener.door import Door
from broker.listener.listener import Listener, Serve
from broker.listener.refusals import Refusals
from broker.observe.access_log import AccessLog
from broker.observe.finish import Observer
from broker.observe.redact import Redactor
from broker.observe.tally import Tallies
from broker.pipeline import serve
from broker.routing.table import RouteTable
from broker.secretstore.store import SecretStore


class StartError(Exception):
    """The broker cannot start; the message is one clear line for each reason."""

    def __init__(self, message: str, loc: Loc = ()) -> None:
        """`loc`: where in the file the reason is."""
        super().__init__(message)
        self.loc = loc


class Running:
    """The parts of one broker process."""

    def __init__(self) -> None:
        self.redactor = Redactor()
        self.tallies = Tallies()
        self.observer = Observer(self.tallies, None)
        self.wheel = AlarmWheel(asyncio.get_running_loop())
        self.leaving = Leaving()
        self.door = Door(Refusals(self.tallies.refused_connections))
        self.listeners: dict[str, Listener] = {}
        self.secrets: SecretStore | None = None
        self.compiled: Compiled | None = None
        self.references: frozenset[SecretRef] = frozenset()
        """Every secret that the configuration names."""

    @property
    def state(self) -> Compiled:
        """The configuration at work; only asked for once there is one."""
        assert self.compiled is not None  # noqa: S101 - set by start
        return self.compiled

    @property
    def store(self) -> SecretStore:
        """The store of its secrets."""
        assert self.secrets is not None  # noqa: S101 - set by start
        return self.secrets

    def new_store(self, config: Secrets) -> SecretStore:
        """A store whose secrets are masked wherever text leaves the process."""
        return SecretStore(config, self._masks, retired=lambda secret: self.redactor.retire(secret.reveal()))

    def _masks(self, new: Secret, old: Secret | None) -> None:
        self.redactor.add(new.reveal())
        if old is not None:
            self.redactor.retire(old.reveal())

    def remember(self, compiled: Compiled) -> None:
        """Count, bound, mask and check what this configuration names, and forget what none has named for a while."""
        for secret in compiled.secrets:
            self.redactor.add(secret.reveal())
        for plan in compiled.plans:
            self.tallies.route(plan.name)
        for upstream in compiled.upstreams.values():
            upstream.start()
        config = compiled.config
        self.door.reconfigure(config.limits)
        compiled.registry.held_bodies.most = config.limits.held_bodies
        compiled.idempotency_keys.limit(idempotency_settings(config))
        routes = {route.name for route in config.routes}
        named = {"routes": routes, "callers": config.callers, "refused_connections": config.listeners}
        self.tallies.keep({**named, "upstreams": config.upstreams}, monotonic())

    def log_access(self, wanted: bool) -> None:
        """Whether there is an access log from now on."""
        before = self.observer.access_log
        if wanted and before is None:
            self.observer.access_log = AccessLog(self.wheel, self.redactor)
        elif not wanted and before is not None:
            before.flush()
            self.observer.access_log = None

    async def bind(self, compiled: Compiled, names: Iterable[str]) -> dict[str, Listener]:
        """Bind these listeners, all or none of them; raises `StartError`."""
        bound: dict[str, Listener] = {}
        try:
            for name in names:
                bound[name] = await self._bind(compiled, name)
        except BaseException:
            for listener in bound.values():
                listener.drain()
                listener.abort()
            raise
        return bound

    async def _bind(self, compiled: Compiled, name: str) -> Listener:
        config = compiled.config.listeners[name]
        serve_calls = self.server(compiled.tables[name])
        listener = Listener(name, config, compiled.stores[name], serve_calls, self.wheel, self.door)
        try:
            await listener.start()
        except OSError as error:
            message = f"listeners.{name}.bind: cannot listen on {config.bind}: {reason(error)}"
            raise StartError(message, ("listeners", name, "bind")) from None
        return listener

    def server(self, table: RouteTable) -> Serve:
        """What a listener does with a call: a task for each."""
        loop, observer = asyncio.get_running_loop(), self.observer

        def start(exchange: Exchange) -> None:
            exchange.task = loop.create_task(serve(exchange, table, observer))

        return start

    @property
    def all_listeners(self) -> list[Listener]:
        """Those that accept, and those that are on their way out."""
        return [*self.listeners.values(), *self.leaving.listeners]

    def connections(self) -> dict[str, int]:
        """Connections of callers by listener."""
        counts = dict.fromkeys(self.listeners, 0)
        for listener in self.all_listeners:
            counts[listener.name] = counts.get(listener.name, 0) + listener.connections
        return counts

    def calls(self) -> list[asyncio.Task[None]]:
        """The calls under way."""
        return [task for listener in self.all_listeners for task in listener.calls()]

    @property
    def alone(self) -> int:
        """Calls under way that have an `Idempotency-Key` and no caller any more."""
        return 0 if self.compiled is None else len(self.compiled.idempotency_keys.alone)

    async def over(self) -> None:
        """Wait until no caller is connected, and no call is under way."""
        await asyncio.gather(*(listener.drained() for listener in self.all_listeners))
        if self.compiled is not None:
            await self.compiled.idempotency_keys.alone.over()

    async def close(self) -> None:
        """Let go of everything; no call with a caller is under way any more."""
        if self.compiled is not None:
            # First, as what a reload took out of use waits for these.
            await self.compiled.idempotency_keys.close()
        await self.leaving.finish()
        if self.compiled is not None:
            for check in self.compiled.checks.values():
                check.close()
            for upstream in self.compiled.upstreams.values():
                upstream.close()
            await self.compiled.tokens.close()
            if self.compiled.registry.shared is not None:
                await self.compiled.registry.shared.close()
        if self.secrets is not None:
            await self.secrets.close()
        self.log_access(wanted=False)
        self.wheel.close()


async def begin_sharing(compiled: Compiled) -> None:
    """Look for the store of shared limits, if there is one; it need not be there."""
    if compiled.registry.shared is not None:
        await compiled.registry.shared.begin()


def reason(error: OSError) -> str:
    """An `OSError` in words: the event loop wraps the system's in its own."""
    return os.strerror(error.errno).lower() if error.errno else str(error)
