"""The running broker: starts what the configuration names, drains it, and stops."""

import asyncio
import gc
import logging
import os
import resource
import time
from pathlib import Path

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector

from broker.admin.server import AdminServer
from broker.compile import Compiled, CompileError, compile_config, review_timestamp
from broker.config.load import examine, usable
from broker.config.secret_walk import references_in
from broker.core.alarms import AlarmWheel
from broker.core.exchange import Exchange
from broker.core.secret import Secret
from broker.listener.listener import Listener, Serve
from broker.observe.access_log import AccessLog
from broker.observe.finish import Observer
from broker.observe.logs import set_up_logging
from broker.observe.metrics import BrokerCollector
from broker.observe.redact import Redactor
from broker.observe.sources import CertificateDate, ReviewDate, SecretState, TokenState, UpstreamState
from broker.observe.tally import Tallies
from broker.pipeline import serve
from broker.routing.table import RouteTable
from broker.secretstore.checks import provider_settings
from broker.secretstore.store import SecretStore
from broker.tls.checks import engine_settings

log = logging.getLogger(__name__)


class StartError(Exception):
    """The broker cannot start; the message is one clear line for each reason."""


class App:
    """One broker process."""

    def __init__(self, path: Path, *, log_setup: bool = True) -> None:
        """`path`: the routes file; `log_setup`: whether to take over the process's logging."""
        self._path = path
        self._log_setup = log_setup
        self.redactor = Redactor()
        self.tallies = Tallies()
        self.listeners: dict[str, Listener] = {}
        self.admin: AdminServer | None = None
        self.secrets: SecretStore | None = None
        self._compiled: Compiled | None = None
        self._wheel: AlarmWheel | None = None
        self._observer: Observer | None = None
        self._ready = False

    async def start(self) -> None:
        """Load, compile, bind. Raises `ConfigError`, `CompileError` or `StartError`; nothing is left bound then."""
        found, faults = examine(self._path, [engine_settings, provider_settings])
        config = usable(found, faults)
        if self._log_setup:
            set_up_logging(config.log.level, self.redactor)
        for fault in faults:
            log.warning("%s", fault, extra={"event": "config_fault"})
        self._wheel = AlarmWheel(asyncio.get_running_loop())
        self.secrets = SecretStore(config.secrets, self._masks)
        await self.secrets.start(reference for _, reference in references_in(config))
        try:
            self._compiled = compile_config(config, self._wheel, self.secrets)
        except CompileError:
            await self._close()
            raise
        for secret in self._compiled.secrets:
            self.redactor.add(secret.reveal())
        observer = Observer(self.tallies, AccessLog(self._wheel, self.redactor) if config.log.access else None)
        self._observer = observer
        for plan in self._compiled.plans:
            self.tallies.route(plan.name)
        raise_descriptor_limit()
        try:
            await self._bind(observer)
        except StartError:
            await self.stop(drain_seconds=0)
            raise
        self.tallies.reloads["success"] += 1
        self.tallies.last_reload = time.time()
        calm_collector()
        self._ready = True
        log.info("ready", extra={"event": "ready", "listeners": self.addresses()})

    def addresses(self) -> dict[str, str]:
        """What each listener is really bound to, by name."""
        return {name: "{}:{}".format(*listener.address) for name, listener in self.listeners.items()}

    async def _bind(self, observer: Observer) -> None:
        compiled, wheel = self._running()
        for name, config in compiled.config.listeners.items():
            listener = Listener(
                name, config, compiled.stores[name], server(compiled.tables[name], observer), wheel, self._refused
            )
            try:
                await listener.start()
            except OSError as error:
                raise StartError(f"listeners.{name}.bind: cannot listen on {config.bind}: {reason(error)}") from None
            self.listeners[name] = listener
        admin = AdminServer(compiled.config.admin.bind, self._registry(), lambda: self._ready)
        try:
            await admin.start()
        except OSError as error:
            bind = compiled.config.admin.bind
            raise StartError(f"admin.bind: cannot listen on {bind}: {reason(error)}") from None
        self.admin = admin

    def _running(self) -> tuple[Compiled, AlarmWheel]:
        assert self._compiled is not None  # noqa: S101 - set by start
        assert self._wheel is not None  # noqa: S101 - set by start
        return self._compiled, self._wheel

    def _masks(self, new: Secret, old: Secret | None) -> None:
        self.redactor.add(new.reveal())
        if old is not None:
            self.redactor.retire(old.reveal())

    def _refused(self, listener: str) -> None:
        counts = self.tallies.refused_connections
        counts[listener] = counts.get(listener, 0) + 1

    # Stopping.

    async def drain(self) -> None:
        """Stop accepting, let calls under way finish within `drain_timeout`, then stop."""
        compiled, _ = self._running()
        log.info("draining", extra={"event": "draining", "calls": len(self._calls())})
        await self.stop(drain_seconds=compiled.config.drain_timeout)

    async def stop(self, drain_seconds: float) -> None:
        """Stop everything; calls still under way after `drain_seconds` are cut off."""
        self._ready = False
        for listener in self.listeners.values():
            listener.drain()
        try:
            async with asyncio.timeout(max(drain_seconds, 0.05)):
                await asyncio.gather(*(listener.drained() for listener in self.listeners.values()))
        except TimeoutError:
            log.warning("calls were cut off", extra={"event": "drain_timeout", "calls": len(self._calls())})
        calls = self._calls()
        for listener in self.listeners.values():
            listener.abort()
        if calls:
            await asyncio.wait(calls, timeout=5)
        await self._close()

    def _calls(self) -> list[asyncio.Task[None]]:
        return [task for listener in self.listeners.values() for task in listener.calls()]

    async def _close(self) -> None:
        if self._compiled is not None:
            for check in self._compiled.checks.values():
                check.close()
            for upstream in self._compiled.upstreams.values():
                upstream.close()
        if self.admin is not None:
            await self.admin.stop()
        if self._compiled is not None:
            await self._compiled.tokens.close()
        if self.secrets is not None:
            await self.secrets.close()
        if self._observer is not None and self._observer.access_log is not None:
            self._observer.access_log.flush()
        if self._wheel is not None:
            self._wheel.close()

    # What the metrics ask.

    def _registry(self) -> CollectorRegistry:
        registry = CollectorRegistry()
        registry.register(
            BrokerCollector(
                self.tallies,
                self._upstreams,
                self._certificates,
                self._reviews,
                self._secret_state,
                tokens=self._token_state,
            )
        )
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        GCCollector(registry=registry)
        return registry

    def _token_state(self) -> list[TokenState]:
        compiled, _ = self._running()
        return [TokenState(each.route, each.issuer.type, each.counts, each.expires) for each in compiled.tokens]

    def _upstreams(self) -> list[UpstreamState]:
        compiled, _ = self._running()
        return [
            UpstreamState(
                name,
                sum(pool.idle for pool in upstream.all_pools),
                sum(pool.busy for pool in upstream.all_pools),
                upstream.stats.handshakes,
                upstream.stats.retries,
                upstream.circuits(),
                compiled.registry.waiting(("upstream", name)),
            )
            for name, upstream in compiled.upstreams.items()
        ]

    def _secret_state(self) -> SecretState:
        if self.secrets is None:
            return SecretState({}, [])
        return SecretState(self.secrets.counts, self.secrets.ages())

    def _certificates(self) -> list[CertificateDate]:
        compiled, _ = self._running()
        return [
            CertificateDate(f"listener:{name}", certificate.subject, certificate.not_after.timestamp())
            for name, store in compiled.stores.items()
            for certificate in store.certificates
        ]

    def _reviews(self) -> list[ReviewDate]:
        compiled, _ = self._running()
        dates = ((name, review_timestamp(upstream)) for name, upstream in compiled.config.upstreams.items())
        return [ReviewDate(name, date) for name, date in dates if date is not None]


def server(table: RouteTable, observer: Observer) -> Serve:
    """What a listener does with a call: a task for each."""
    loop = asyncio.get_running_loop()

    def start(exchange: Exchange) -> None:
        exchange.task = loop.create_task(serve(exchange, table, observer))

    return start


def reason(error: OSError) -> str:
    """An `OSError` in words: the event loop wraps the system's in its own."""
    return os.strerror(error.errno).lower() if error.errno else str(error)


def calm_collector() -> None:
    """Keep the garbage collector away from what lives as long as the process; calls leave next to no cycles."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def raise_descriptor_limit() -> None:
    """Let the process have as many connections as the system allows it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
