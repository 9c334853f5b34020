"""The contract's metrics, collected when Prometheus asks."""

import platform
import ssl
from collections.abc import Callable, Iterable, Iterator, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from broker import __version__
from broker.observe.sources import (
    CertificateDate,
    ReviewDate,
    SecretState,
    SharedLimitsState,
    TokenState,
    UpstreamState,
)
from broker.observe.tally import Tallies


class BrokerCollector(Collector):
    """Turns tallies and the state of pools and certificates into metric families."""

    def __init__(
        self,
        tallies: Tallies,
        upstreams: Callable[[], Iterable[UpstreamState]],
        certificates: Callable[[], Iterable[CertificateDate]],
        reviews: Callable[[], Iterable[ReviewDate]],
        secrets: Callable[[], SecretState] = lambda: SecretState({}, []),
        tokens: Callable[[], Iterable[TokenState]] = tuple,
        idempotency_keys: Callable[[], int] = lambda: 0,
        held_bodies: Callable[[], int] = int,
        connections: Callable[[], Mapping[str, int]] = dict,
        limits_store: Callable[[], SharedLimitsState | None] = lambda: None,
    ) -> None:
        self._tallies = tallies
        self._upstreams = upstreams
        self._certificates = certificates
        self._reviews = reviews
        self._secrets = secrets
        self._tokens = tokens
        self._idempotency_keys = idempotency_keys
        self._limits_store = limits_store
        self._held_bodies = held_bodies
        self._connections = connections

    def collect(self) -> Iterator[Metric]:
        """All families."""
        yield from self._routes()
        yield from self._pools()
        yield from self._dates()
        yield from self._held_secrets()
        yield from self._shared_tokens()
        yield from self._repeated()
        yield from self._shared_limits()
        yield from self._process()

    def _routes(self) -> Iterator[Metric]:
        requests = CounterMetricFamily("broker_requests", "Calls answered.", labels=["route", "method", "status"])
        errors = CounterMetricFamily("broker_errors", "Answers the broker made itself.", labels=["route", "code"])
        in_flight = GaugeMetricFamily("broker_requests_in_flight", "Calls under way.", labels=["route"])
        duration = HistogramMetricFamily(
            "broker_request_duration_seconds", "From a call's head to its answer's last byte.", labels=["route"]
        )
        for name, tally in self._tallies.routes.items():
            for (method, status), count in tally.requests.items():
                requests.add_metric([name, method.decode("ascii"), str(status)], count)
            for code, count in tally.errors.items():
                errors.add_metric([name, code], count)
            in_flight.add_metric([name], tally.in_flight)
            duration.add_metric([name], tally.duration.buckets(), tally.duration.total)
        callers = CounterMetricFamily("broker_caller_requests", "Calls by caller.", labels=["caller", "outcome"])
        for (caller, outcome), count in self._tallies.callers.items():
            callers.add_metric([caller, outcome], count)
        held = GaugeMetricFamily("broker_held_body_bytes", "Request bodies held back, in memory and in files.")
        held.add_metric([], self._held_bodies())
        yield from (requests, errors, in_flight, duration, callers, held)

    def _pools(self) -> Iterator[Metric]:
        duration = HistogramMetricFamily(
            "broker_upstream_duration_seconds", "From sending a call to its answer's head.", labels=["upstream"]
        )
        for name, histogram in self._tallies.upstreams.items():
            duration.add_metric([name], histogram.buckets(), histogram.total)
        connections = GaugeMetricFamily(
            "broker_upstream_connections", "Connections to upstreams.", labels=["upstream", "state"]
        )
        handshakes = CounterMetricFamily(
            "broker_upstream_tls_handshakes",
            "TLS handshakes with upstreams.",
            labels=["upstream", "protocol", "cipher"],
        )
        retries = CounterMetricFamily("broker_upstream_retries", "Calls tried again.", labels=["upstream", "reason"])
        circuits = GaugeMetricFamily(
            "broker_circuit_state", "0 closed, 1 half-open, 2 open.", labels=["upstream", "target"]
        )
        waiting = GaugeMetricFamily("broker_upstream_calls_waiting", "Calls in the queue.", labels=["upstream"])
        limits = GaugeMetricFamily(
            "broker_upstream_concurrency_limit", "Calls that may be under way at a time, now.", labels=["upstream"]
        )
        healthy = GaugeMetricFamily(
            "broker_upstream_target_healthy", "Whether a target is usable.", labels=["upstream", "target"]
        )
        for upstream in self._upstreams():
            for target, usable in upstream.healthy.items():
                healthy.add_metric([upstream.name, target], float(usable))
            waiting.add_metric([upstream.name], upstream.waiting)
            if upstream.limit is not None:
                limits.add_metric([upstream.name], upstream.limit)
            for target, state in upstream.circuits.items():
                circuits.add_metric([upstream.name, target], state)
            connections.add_metric([upstream.name, "idle"], upstream.idle)
            connections.add_metric([upstream.name, "busy"], upstream.busy)
            for (protocol, cipher), count in upstream.handshakes.items():
                handshakes.add_metric([upstream.name, protocol, cipher], count)
            for reason, count in upstream.retries.items():
                retries.add_metric([upstream.name, reason], count)
        yield from (duration, connections, handshakes, retries, circuits, healthy, waiting, limits)

    def _dates(self) -> Iterator[Metric]:
        expiry = GaugeMetricFamily(
            "broker_certificate_not_after_timestamp_seconds", "When a certificate expires.", labels=["place", "subject"]
        )
        for certificate in self._certificates():
            expiry.add_metric([certificate.place, certificate.subject], certificate.not_after)
        review = GaugeMetricFamily(
            "broker_tls_exception_review_timestamp_seconds", "When weak TLS is looked at again.", labels=["upstream"]
        )
        for date in self._reviews():
            review.add_metric([date.upstream], date.timestamp)
        yield from (expiry, review)

    def _held_secrets(self) -> Iterator[Metric]:
        refresh = CounterMetricFamily(
            "broker_secret_refresh", "Look-ups of secrets by their providers.", labels=["provider", "outcome"]
        )
        age = GaugeMetricFamily(
            "broker_secret_age_seconds", "Since the provider last confirmed a secret.", labels=["provider", "reference"]
        )
        state = self._secrets()
        for (provider, outcome), count in state.refreshes.items():
            refresh.add_metric([provider, outcome], count)
        for provider, reference, seconds in state.ages:
            age.add_metric([provider, reference], seconds)
        yield from (refresh, age)

    def _shared_tokens(self) -> Iterator[Metric]:
        refresh = CounterMetricFamily(
            "broker_credentials_refresh", "Tokens asked for.", labels=["route", "type", "outcome"]
        )
        expiry = GaugeMetricFamily(
            "broker_credentials_expiry_timestamp_seconds", "When a token ends.", labels=["route", "type"]
        )
        for token in self._tokens():
            for outcome, count in token.requests.items():
                refresh.add_metric([token.route, token.type, outcome], count)
            if token.expires is not None:
                expiry.add_metric([token.route, token.type], token.expires)
        yield from (refresh, expiry)

    def _shared_limits(self) -> Iterator[Metric]:
        state = self._limits_store()
        if state is None:
            return
        up = GaugeMetricFamily("broker_limits_store_up", "Whether limits are shared among replicas now.")
        up.add_metric([], float(state.up))
        fallbacks = CounterMetricFamily("broker_limits_store_fallback", "Calls decided without the shared limits.")
        fallbacks.add_metric([], state.fallbacks)
        yield from (up, fallbacks)

    def _repeated(self) -> Iterator[Metric]:
        keys = GaugeMetricFamily("broker_idempotency_keys", "Idempotency keys that are remembered.")
        keys.add_metric([], self._idempotency_keys())
        replays = CounterMetricFamily(
            "broker_idempotent_replays", "First answers given again to a repeated key.", labels=["route"]
        )
        for name, tally in self._tallies.routes.items():
            replays.add_metric([name], tally.replays)
        yield from (keys, replays)

    def _process(self) -> Iterator[Metric]:
        refused = CounterMetricFamily(
            "broker_connections_refused", "Connections closed at the limit.", labels=["listener", "reason"]
        )
        for (listener, reason), count in self._tallies.refused_connections.items():
            refused.add_metric([listener, reason], count)
        connections = GaugeMetricFamily("broker_connections", "Connections of callers.", labels=["listener"])
        for listener, number in self._connections().items():
            connections.add_metric([listener], number)
        reloads = CounterMetricFamily("broker_config_reload", "Configurations loaded.", labels=["outcome"])
        for outcome, count in self._tallies.reloads.items():
            reloads.add_metric([outcome], count)
        last = GaugeMetricFamily(
            "broker_config_last_reload_success_timestamp_seconds", "When the running configuration was loaded."
        )
        last.add_metric([], self._tallies.last_reload)
        good = GaugeMetricFamily(
            "broker_config_last_reload_successful", "Whether the file as it was last read is what is running."
        )
        good.add_metric([], float(self._tallies.last_reload_ok))
        build = GaugeMetricFamily("broker_build_info", "What is running.", labels=["version", "python", "openssl"])
        build.add_metric([__version__, platform.python_version(), ssl.OPENSSL_VERSION], 1)
        yield from (connections, refused, reloads, last, good, build)
