"""What the metrics ask of the running parts."""

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector

from broker.compile_upstream import review_timestamp
from broker.observe.metrics import BrokerCollector
from broker.observe.sources import (
    CertificateDate,
    ReviewDate,
    SecretState,
    SharedLimitsState,
    TokenState,
    UpstreamState,
)
from broker.running import Running


class States:
    """Reads them at each scrape, so that a reload needs to tell nobody."""

    def __init__(self, running: Running) -> None:
        self._running = running

    def registry(self) -> CollectorRegistry:
        """Everything that is told."""
        registry = CollectorRegistry()
        registry.register(
            BrokerCollector(
                self._running.tallies,
                self._upstreams,
                self._certificates,
                self._reviews,
                self._secret_state,
                tokens=self._token_state,
                idempotency_keys=lambda: len(self._running.state.idempotency_keys.store),
                limits_store=self._limits_store,
                held_bodies=self._held_bodies,
                connections=self._running.connections,
            )
        )
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        GCCollector(registry=registry)
        return registry

    def _held_bodies(self) -> int:
        return self._running.state.registry.held_bodies.used

    def _limits_store(self) -> SharedLimitsState | None:
        shared = self._running.state.registry.shared
        return None if shared is None else SharedLimitsState(shared.up, shared.fallbacks)

    def _token_state(self) -> list[TokenState]:
        tokens = self._running.state.tokens
        return [TokenState(each.route, each.issuer.type, each.counts, each.expires) for each in tokens]

    def _secret_state(self) -> SecretState:
        return SecretState(self._running.store.counts, self._running.store.ages())

    def _certificates(self) -> list[CertificateDate]:
        return [
            CertificateDate(f"listener:{name}", certificate.subject, certificate.not_after.timestamp())
            for name, store in self._running.state.stores.items()
            for certificate in store.certificates
        ]

    def _reviews(self) -> list[ReviewDate]:
        upstreams = self._running.state.config.upstreams
        dates = ((name, review_timestamp(upstream)) for name, upstream in upstreams.items())
        return [ReviewDate(name, date) for name, date in dates if date is not None]

    def _upstreams(self) -> list[UpstreamState]:
        compiled = self._running.state
        return [
            UpstreamState(
                name,
                sum(pool.idle for pool in upstream.all_pools),
                sum(pool.busy for pool in upstream.all_pools),
                upstream.stats.handshakes,
                upstream.stats.retries,
                upstream.circuits(),
                compiled.registry.waiting(("upstream", name)),
                upstream.healthy(),
                compiled.registry.limit(("upstream", name)),
            )
            for name, upstream in compiled.upstreams.items()
        ]
