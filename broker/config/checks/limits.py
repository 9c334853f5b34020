"""Where limits are shared: settings of a store that there is not, or that it cannot use."""

from collections.abc import Iterator
from ipaddress import ip_address

from broker.config.draft import Draft
from broker.config.faults import Problem, warning


def limits(draft: Draft) -> Iterator[Problem]:
    """Settings of the store that have no effect."""
    found = draft.limits
    if found is None:
        return
    if found.store is None:
        for key in sorted({"store_password", "store_ca", "store_prefix", "store_timeout"} & found.model_fields_set):
            yield Problem(("limits", key), "there is no `store` that it could belong to")
        return
    if found.store_ca is not None and not found.store.tls:
        yield Problem(("limits", "store_ca"), "is of use with rediss:// only")
    if found.store_password is not None and not found.store.tls and not _loopback(found.store.host):
        yield warning(("limits", "store"), "the password goes over the network in clear; use rediss://")
    rated = [*draft.upstreams.values(), *draft.callers.values(), *(route for _, route in draft.routes)]
    if draft.whole and not any(getattr(each, "rate", None) for each in rated):
        yield warning(("limits", "store"), "no caller, route or upstream has a `rate` that could be shared")


def _loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
