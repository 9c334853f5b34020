"""What goes on when a new configuration is put to work: everything whose settings and files are as they were.

Nothing here changes what is running: a configuration that turns out to be faulty is simply dropped.
"""

from collections.abc import Hashable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from broker.callers.hmac_body import HmacCheck
from broker.callers.slowing import Slowing
from broker.callers.verdict import CallerCheck
from broker.compile_credentials import Credentialed
from broker.config.limits import Limits
from broker.config.model import AllOfCaller, Config, Route
from broker.config.model import Upstream as UpstreamConfig
from broker.config.secret_walk import references_in
from broker.credentials.oauth2_shared import TokenStore
from broker.listener.certificates import CertificateStore
from broker.policy.idempotency import IdempotencySettings
from broker.policy.registry import Registry
from broker.policy.shared_bucket import SharedLimits
from broker.reload_files import Digests, files_in
from broker.upstream.idempotent_call import IdempotencyKeys
from broker.upstream.pool import Pool
from broker.upstream.send import Upstream

if TYPE_CHECKING:
    from broker.compiled import Compiled

_K = TypeVar("_K", bound=Hashable)
_V = TypeVar("_V")


@dataclass(frozen=True)
class Before:
    """The running configuration, as the compiler of the next one sees it."""

    running: "Compiled | None" = None
    files: Digests = field(default_factory=dict)
    """What is in the files of the new one."""
    same_secrets: bool = False
    """Whether secrets come from the same store."""

    def certificates(self, config: Config, name: str) -> CertificateStore | None:
        """The certificates of a listener: its session tickets stay good."""
        if self.running is None or name not in self.running.stores:
            return None
        same = self._same(self.running.config.listeners[name].tls, config.listeners[name].tls)
        return self.running.stores[name] if same else None

    def slowing(self, config: Config, name: str) -> Slowing | None:
        """Who keeps showing wrong proofs on a listener."""
        if self.running is None or name not in self.running.slowing:
            return None
        before = self.running.config.listeners[name].limits.failed_callers
        return self.running.slowing[name] if before == config.listeners[name].limits.failed_callers else None

    def upstream(self, config: UpstreamConfig, name: str) -> Upstream | None:
        """An upstream that is reached as before; what protects it may have changed."""
        if self.running is None or name not in self.running.upstreams:
            return None
        before = self.running.config.upstreams[name]
        return self.running.upstreams[name] if self._same(_way(before), _way(config)) else None

    def takes_over(self, made: Upstream, name: str, carried: Upstream | None) -> None:
        """Let a new upstream go on with the counts of the one before, and with its pools where those still fit."""
        if self.running is None or name not in self.running.upstreams:
            return
        before = self.running.upstreams[name]
        made.stats = before.stats
        made.follows = before.checks
        if carried is not None:
            made.pools = carried.pools
            # A list of its own: variants that nobody needs any more are not in it.
            made.all_pools = list(carried.pools)

    def checks(self, config: Config) -> dict[str, CallerCheck]:
        """The callers' checks that go on: what they fetched, and what they must not accept twice."""
        if self.running is None:
            return {}
        before = self.running
        return {
            name: before.checks[name]
            for name, caller in config.callers.items()
            if name in before.checks
            and not isinstance(caller, AllOfCaller)
            and self._same(_proof(before.config.callers[name]), _proof(caller))
            and self._secrets_stay(caller)
        }

    def inherit(self, checks: Mapping[str, CallerCheck]) -> None:
        """Signatures that were used stay used, whatever else about their caller changed."""
        for name, check in checks.items():
            before = None if self.running is None else self.running.checks.get(name)
            if isinstance(check, HmacCheck) and isinstance(before, HmacCheck) and check is not before:
                check.inherit(before)

    def tokens(self, config: Config) -> TokenStore:
        """Where tokens are shared, with those that were had before."""
        if self.running is None or not self.same_secrets:
            return TokenStore()
        files = {path for route in config.routes for path in files_in(route.credentials)}
        return TokenStore(before=self.running.tokens if self._files_stay(files) else None)

    def idempotency_keys(self, settings: IdempotencySettings) -> IdempotencyKeys:
        """All that is remembered; `limit` has it go by other settings, once they are at work."""
        return IdempotencyKeys(settings) if self.running is None else self.running.idempotency_keys

    def registry(self) -> Registry:
        """Buckets, bulkheads and breakers, as full and as open as they are."""
        return Registry() if self.running is None else heir(self.running.registry)

    def shared_limits(self, limits: Limits) -> SharedLimits | None:
        """Where rates are shared, with its connection."""
        if self.running is None:
            return None
        before = _store(self.running.config.limits)
        same = self._same(before, _store(limits)) and (self.same_secrets or limits.store_password is None)
        return self.running.registry.shared if same else None

    def credentialed(self, route: Route, upstream: UpstreamConfig) -> Credentialed | None:
        """A route's way to its upstream: sessions, nonces and authenticated connections stay."""
        if self.running is None or route.credentials is None or self.upstream(upstream, route.upstream) is None:
            return None
        before = self.running.credentialed.get(route.name)
        if before is None or not self._secrets_stay(route.credentials) or not before.current:
            return None
        old = self._routes[route.name]
        return before if old.upstream == route.upstream and self._same(old.credentials, route.credentials) else None

    @cached_property
    def _routes(self) -> dict[str, Route]:
        return {} if self.running is None else {route.name: route for route in self.running.config.routes}

    def _secrets_stay(self, value: Any) -> bool:
        return self.same_secrets or next(references_in(value), None) is None

    def _same(self, one: Any, other: Any) -> bool:
        return bool(one == other) and self._files_stay(files_in(other))

    def _files_stay(self, paths: Any) -> bool:
        before = {} if self.running is None else self.running.files
        return all(path in before and before[path] == self.files.get(path) for path in paths)


def _way(config: UpstreamConfig) -> Sequence[Any]:
    """How an upstream is reached."""
    return config.all_targets, config.tls, config.http, config.timeouts, config.pool


def _store(limits: Limits) -> Sequence[Any]:
    """How the store of shared limits is reached."""
    return limits.store, limits.store_password, limits.store_ca, limits.store_prefix, limits.store_timeout


def _proof(caller: Any) -> Any:
    """A caller without its limits, which are kept elsewhere."""
    return caller.model_copy(update={name: None for name in ("rate", "priority") if hasattr(caller, name)})


class _Heirs(dict[_K, _V], Generic[_K, _V]):
    """Takes from another mapping what it is asked for, and no more."""

    def __init__(self, before: Mapping[_K, _V]) -> None:
        super().__init__()
        self._before = before

    def get(self, key: _K, default: Any = None) -> Any:
        if key not in self and key in self._before:
            self[key] = self._before[key]
        return super().get(key, default)


def heir(before: Registry) -> Registry:
    """A registry that goes on with what is asked of it; `settle` cuts it off from the other."""
    registry = copy(before)
    registry.changes = []
    for part in _parts(registry):
        setattr(registry, part, _Heirs(getattr(before, part)))
    return registry


def settle(registry: Registry) -> None:
    """All was asked: let go of what nobody wanted."""
    for part in _parts(registry):
        setattr(registry, part, dict(getattr(registry, part)))


def _parts(registry: Registry) -> list[str]:
    return [name for name, value in vars(registry).items() if isinstance(value, dict)]


def pools_of(upstreams: Mapping[str, Upstream]) -> set[Pool]:
    """All pools, those of variants too."""
    return {pool for upstream in upstreams.values() for pool in upstream.all_pools}
