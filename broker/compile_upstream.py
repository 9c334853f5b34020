"""From an upstream's configuration to how it is reached."""

from datetime import UTC, datetime, time

from broker.compile_http import manner_of
from broker.config.model import Upstream as UpstreamConfig
from broker.tls.engine import ClientTls
from broker.tls.engines import client_tls
from broker.tls.profiles import options_of, requires_close_notify
from broker.upstream.origin import UpstreamSettings


def upstream_tls(config: UpstreamConfig) -> ClientTls | None:
    """Hop 2's TLS; raises `EngineError` when no engine that is here can speak it, or a file of it cannot be read."""
    if config.targets[0].scheme == "http":
        return None
    wanted = "auto" if config.tls is None else config.tls.engine
    return client_tls(options_of(config.tls), wanted)


def upstream_settings(config: UpstreamConfig) -> UpstreamSettings:
    """Deadlines and pool of an upstream."""
    times = config.timeouts
    return UpstreamSettings(
        connect=times.connect,
        first_byte=times.first_byte,
        idle=times.idle,
        write=times.write,
        require_close_notify=requires_close_notify(config.tls),
        pool_idle=config.pool.idle,
        pool_size=config.pool.size,
        pool_age=config.pool.max_age,
        http=manner_of(config.http),
    )


def review_timestamp(config: UpstreamConfig) -> float | None:
    """When an upstream's weak TLS is looked at again, in seconds since the epoch (midnight UTC)."""
    if config.tls is None or config.tls.review_by is None:
        return None
    return datetime.combine(config.tls.review_by, time(), UTC).timestamp()
