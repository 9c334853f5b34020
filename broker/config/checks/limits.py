"""Limits that contradict each other: of a store that there is not, or of memory that nothing fits in."""

from collections.abc import Iterator
from ipaddress import ip_address
from typing import Final

from broker.config.draft import Draft
from broker.config.faults import Problem, warning
from broker.config.limits import LONGEST_STORE_TIMEOUT

_LEAST_KEPT: Final = 4096
"""Bytes that an answer with the usual header lines takes, even where it says nothing."""


def limits(draft: Draft) -> Iterator[Problem]:
    """Settings of the store that have no effect."""
    found = draft.limits
    if found is None:
        return
    if found.store is None:
        for key in sorted({"store_password", "store_ca", "store_prefix", "store_timeout"} & found.model_fields_set):
            yield Problem(("limits", key), "there is no `store` that it could belong to")
        return
    if found.store_timeout > LONGEST_STORE_TIMEOUT:
        yield Problem(
            ("limits", "store_timeout"), f"is above {LONGEST_STORE_TIMEOUT:g}s, which calls would wait for it"
        )
    if found.store_ca is not None and not found.store.tls:
        yield Problem(("limits", "store_ca"), "is of use with rediss:// only")
    if found.store_password is not None and not found.store.tls and not _loopback(found.store.host):
        yield warning(("limits", "store"), "the password goes over the network in clear; use rediss://")
    rated = [*draft.upstreams.values(), *draft.callers.values(), *(route for _, route in draft.routes)]
    if draft.whole and not any(getattr(each, "rate", None) for each in rated):
        yield warning(("limits", "store"), "no caller, route or upstream has a `rate` that could be shared")


def remembered_answers(draft: Draft) -> Iterator[Problem]:
    """Memory in which no answer could be remembered."""
    keys = draft.idempotency_keys
    if keys is None:
        return
    for name in ("answer", "memory"):
        if getattr(keys, name) < _LEAST_KEPT:
            yield Problem(("idempotency_keys", name), "is too little for any answer: its header lines count; from 4KiB")
    if keys.answer > keys.memory:
        name, other = ("answer", "memory") if "answer" in keys.model_fields_set else ("memory", "answer")
        yield Problem(("idempotency_keys", name), f"one answer may be larger than all of them; see `{other}`")


def _loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
