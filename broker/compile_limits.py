"""From `limits.store` to where replicas share their rates."""

import ssl
from dataclasses import replace

from broker.config.limits import Limits
from broker.config.upstream_tls import UpstreamTls
from broker.core.ports import SourceResolver
from broker.policy.shared_bucket import SharedLimits
from broker.tls.profiles import options_of
from broker.tls.system import client_context


def shared_limits(limits: Limits, source: SourceResolver) -> SharedLimits | None:
    """The store that is configured, which is not asked for anything yet; None where there is none.

    Raises `SecretUnavailable`, or `ValueError` when its certificates do not serve.
    """
    store = limits.store
    if store is None:
        return None
    # The library takes its time to load; without a store nobody waits for it.
    from broker.policy.shared_link import StoreSettings
    from broker.policy.shared_store import SharedStore

    settings = StoreSettings(
        host=store.host,
        port=store.port,
        database=store.database,
        username=store.username,
        password=None if limits.store_password is None else source(limits.store_password),
        tls=_tls(limits) if store.tls else None,
        prefix=limits.store_prefix,
        timeout=limits.store_timeout,
    )
    return SharedStore(str(store), settings)


def _tls(limits: Limits) -> ssl.SSLContext:
    """TLS 1.2 or later, as towards modern services; the certificate is for the store's host name or address."""
    try:
        return client_context(replace(options_of(UpstreamTls(ca=limits.store_ca)), alpn=()))
    except OSError as error:  # ssl.SSLError is one
        raise ValueError(f"store_ca: {error.strerror or 'no PEM certificates'}") from None
