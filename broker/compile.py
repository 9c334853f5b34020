"""From the configuration to plans: everything that can be decided before the first call is decided here."""

import ssl
from dataclasses import replace

from broker.callers.authenticate import any_of, public
from broker.callers.build import build_callers, build_slowing
from broker.callers.slowing import Slowing
from broker.callers.verdict import CallerCheck
from broker.compile_callers import CallerLimits
from broker.compile_carry import Before, settle
from broker.compile_credentials import Credentialed, with_credentials
from broker.compile_http import make_upstream
from broker.compile_identity import show_certificates
from broker.compile_limits import shared_limits
from broker.compile_policy import (
    guard,
    idempotency_settings,
    make_gate,
    priorities_of,
    with_idempotency_keys,
    with_retries,
)
from broker.compile_upstream import upstream_settings, upstream_tls
from broker.compiled import Compiled, CompileError
from broker.config.faults import Loc
from broker.config.model import Config, Route
from broker.config.model import Upstream as UpstreamConfig
from broker.core.alarms import AlarmWheel
from broker.core.message import normal
from broker.core.plan import RoutePlan
from broker.core.ports import Reference, SecretResolver, SecretSource
from broker.core.query import comparable
from broker.core.secret import Secret, SecretPending, SecretUnavailable
from broker.listener.certificates import CertificateStore, ServedCertificate, load_certificate
from broker.rewrite.request import request_prefixes
from broker.routing.conditions import Conditions
from broker.routing.table import RouteTable, Rule
from broker.secretstore.store import SecretStore
from broker.tls.engines import EngineError
from broker.upstream.origin import Origin
from broker.upstream.send import Upstream

__all__ = ["CompileError", "Compiled", "compile_config", "make_plan", "make_rule"]


def compile_config(
    config: Config, wheel: AlarmWheel, store: SecretStore | None = None, before: Before | None = None
) -> Compiled:
    """Compile all of it, or raise `CompileError` with every reason; without a `store`, secrets stay as they are now.

    `before`: what is running, of which everything goes on that is as it was. Nothing of it is changed, and no event
    loop is needed, where the store follows all references already.
    """
    return _Compiler(config, wheel, store or SecretStore(config.secrets), before or Before()).run()


class _Compiler:
    def __init__(self, config: Config, wheel: AlarmWheel, store: SecretStore, before: Before) -> None:
        self._config = config
        self._secret_store = store
        self._before = before
        self._tokens = before.tokens(config)
        self._keys = before.idempotency_keys(idempotency_settings(config))
        self._registry = before.registry()
        self._priorities = priorities_of(config)
        self._caller_limits = CallerLimits(config, self._registry)
        self._wheel = wheel
        self._reasons: list[str] = []
        self._places: list[Loc] = []
        self._credentialed: dict[str, Credentialed] = {}
        self._slowing = {
            name: before.slowing(config, name) or build_slowing(listener.limits.failed_callers)
            for name, listener in config.listeners.items()
        }
        self._secrets: list[Secret] = []
        self._resolve = self._remembering(store.resolve)

    def run(self) -> Compiled:
        config = self._config
        self._share_limits()
        stores = {name: store for name in config.listeners if (store := self._store(name)) is not None}
        upstreams = {
            name: made
            for name, upstream in config.upstreams.items()
            if (made := self._upstream(name, upstream)) is not None
        }
        checks = build_callers(
            config.callers,
            self._source,
            self._caller_failed,
            self._before.checks(config),
            self._registry.held_bodies,
        )
        plans = [plan for route in config.routes if (plan := self._plan(route, upstreams, checks)) is not None]
        if self._reasons:
            raise CompileError(self._reasons, self._places)
        show_certificates(config, upstreams, self._credentialed)
        self._before.inherit(checks)
        settle(self._registry)
        return Compiled(
            config,
            self._tables(plans),
            stores,
            upstreams,
            plans,
            self._secrets,
            self._tokens,
            self._keys,
            checks,
            self._registry,
            self._slowing,
            self._credentialed,
            {name: self._hosts(name) for name in config.listeners},
            self._before.files,
        )

    def _remembering(self, resolve: SecretResolver) -> SecretResolver:
        def remember(reference: object) -> Secret:
            secret = resolve(reference)  # type: ignore[arg-type]
            self._secrets.append(secret)
            return secret

        return remember

    def _fail(self, loc: Loc, reason: str) -> None:
        self._reasons.append(reason)
        self._places.append(loc)

    def _share_limits(self) -> None:
        limits = self._config.limits
        try:
            self._registry.shared = self._before.shared_limits(limits) or shared_limits(limits, self._source)
        except (SecretUnavailable, ValueError) as error:
            self._fail(("limits",), f"limits: {error}")

    def _store(self, name: str) -> CertificateStore | None:
        carried = self._before.certificates(self._config, name)
        if carried is not None:
            return carried
        tls = self._config.listeners[name].tls
        served: list[ServedCertificate] = []
        for index, certificate in enumerate(tls.certificates):
            try:
                served.append(load_certificate(certificate.chain, certificate.key, tls.client_ca, tls.asks_for))
            except (OSError, ssl.SSLError, ValueError) as error:
                loc = ("listeners", name, "tls", "certificates", index)
                self._fail(loc, f"listeners.{name}.tls.certificates[{index}]: {error}")
        return CertificateStore(served, self._hosts(name)) if len(served) == len(tls.certificates) else None

    def _hosts(self, name: str) -> frozenset[str]:
        routes = self._config.routes
        mine = [route.match.host for route in routes if self._config.listener_of(route) == name]
        return frozenset(host for host in mine if host is not None)

    def _upstream(self, name: str, config: UpstreamConfig) -> Upstream | None:
        carried = self._before.upstream(config, name)
        if carried is not None:
            origins = [pool.origin for pool in carried.pools]
        else:
            try:
                tls = upstream_tls(config)
            except EngineError as error:
                self._fail(("upstreams", name, "tls", error.key), f"upstreams.{name}.tls.{error.key}: {error}")
                return None
            origins = [Origin(each.host, each.port, each.authority.encode(), tls) for each in config.all_targets]
        held = self._registry.held_bodies
        made = make_upstream(name, origins, upstream_settings(config), self._wheel, config.http, held)
        self._before.takes_over(made, name, carried)
        try:
            guard(made, config, self._registry)
        except ValueError as error:
            self._fail(("upstreams", name), f"upstreams.{name}: {error}")
            return None
        return made

    def _caller_failed(self, name: str, reason: str) -> None:
        self._fail(("callers", name), f"callers.{name}: {reason}")

    def _plan(self, route: Route, upstreams: dict[str, Upstream], checks: dict[str, CallerCheck]) -> RoutePlan | None:
        upstream = upstreams.get(route.upstream)
        if upstream is None:
            return None
        try:
            before = self._before.credentialed(route, self._config.upstreams[route.upstream])
            target = with_credentials(route, upstream, self._source, self._tokens, before)
        except (SecretUnavailable, ValueError) as error:
            index = self._config.routes.index(route)
            self._fail(("routes", index, "credentials"), f"routes.{route.name}.credentials: {error}")
            return None
        if route.credentials is not None:
            self._credentialed[route.name] = target
        patient = with_retries(
            target.upstream, upstream, self._config.upstreams[route.upstream], route.upstream, self._registry
        )
        once = with_idempotency_keys(patient, upstream, route, self._keys)
        names = [] if route.callers == "public" else list(route.callers)
        if any(name not in checks for name in names):
            return None
        chosen = [(name, checks[name]) for name in names]
        plan = make_plan(
            self._config,
            route,
            replace(target, upstream=once),
            chosen,
            self._slowing[self._config.listener_of(route)],
        )
        plan.gate = make_gate(self._config, route, self._registry, self._priorities, self._caller_limits)
        return plan

    def _source(self, reference: Reference) -> SecretSource:
        try:
            self._resolve(reference)
        except SecretPending:
            # A provider that is down now may be up when the first call comes.
            pass
        return self._secret_store.source(reference)

    def _tables(self, plans: list[RoutePlan]) -> dict[str, RouteTable]:
        rules: dict[str, list[Rule]] = {name: [] for name in self._config.listeners}
        for route, plan in zip(self._config.routes, plans, strict=True):
            rules[plan.listener].append(make_rule(route, plan))
        return {name: RouteTable(listed) for name, listed in rules.items()}


def make_plan(
    config: Config,
    route: Route,
    target: Credentialed,
    checks: list[tuple[str, CallerCheck]],
    slowing: Slowing | None = None,
) -> RoutePlan:
    """The plan of one route."""
    listener = config.listeners[config.listener_of(route)]
    proofs = [] if route.pass_through else [check for _, check in checks]
    dropped = frozenset(normal(name) for check in proofs for name in check.consumed) | frozenset(
        normal(name) for name in target.fields
    )
    # What a proxy may say and nobody else goes no further, whatever else does.
    dropped |= {normal(name) for _, check in checks for name in check.guarded}
    caller_header = route.caller_header.encode() if route.caller_header is not None else b""
    if caller_header:
        dropped |= {normal(caller_header)}
    return RoutePlan(
        name=route.name,
        listener=config.listener_of(route),
        upstream=target.upstream,
        authenticate=any_of(checks, slowing) if checks else public,
        match_path=route.match.path.encode(),
        replace_path=route.path.encode() if route.path is not None else None,
        dropped=dropped,
        deadline=route.deadline,
        max_body=route.max_body,
        idempotent=route.idempotent,
        host_header=_host_header(config.upstreams[route.upstream].host_header),
        forwarded=listener.forwarded,
        via=listener.via,
        dropped_query=comparable([*target.query_fields, *(name for check in proofs for name in check.consumed_query)]),
        caller_header=caller_header,
        prefixes=request_prefixes(dropped),
    )


def make_rule(route: Route, plan: RoutePlan) -> Rule:
    """What a route matches, and the plan it leads to."""
    match = route.match
    conditions = Conditions(
        frozenset(method.encode() for method in match.methods),
        match.soap_action.encode() if match.soap_action is not None else None,
        tuple((name.encode(), value.encode()) for name, value in match.headers.items()),
    )
    return Rule(match.host, plan.match_path, conditions, plan)


def _host_header(setting: str) -> bytes | None:
    if setting == "target":
        return None
    return b"" if setting == "caller" else setting.encode()
