"""Limits that contradict each other: of a store that there is not, of memory that nothing fits in."""

from collections.abc import Iterator
from ipaddress import ip_address
from typing import Final

from broker.config.draft import Draft
from broker.config.faults import Problem, warning
from broker.config.limits import LONGEST_STORE_TIMEOUT
from broker.config.model import IdempotencyKeys, Limits
from broker.config.partial import rule

_LEAST_KEPT: Final = 4096
"""Bytes that an answer with the usual header lines takes, even where it says nothing."""


def limits(draft: Draft) -> Iterator[Problem]:
    """Settings of the store that have no effect, and a limit that another one keeps from being reached."""
    if draft.limits is not None:
        for one in (_no_store, _late, _plain_store, _in_clear, _one_of_all):
            yield from one(draft.limits)
        yield from _nothing_shared(draft, draft.limits)


@rule
def _no_store(found: Limits) -> Iterator[Problem]:
    if found.store is None:
        for key in sorted({"store_password", "store_ca", "store_prefix", "store_timeout"} & found.model_fields_set):
            yield Problem(("limits", key), "there is no `store` that it could belong to")


@rule
def _late(found: Limits) -> Iterator[Problem]:
    if found.store is not None and found.store_timeout > LONGEST_STORE_TIMEOUT:
        yield Problem(
            ("limits", "store_timeout"), f"is above {LONGEST_STORE_TIMEOUT:g}s, which calls would wait for it"
        )


@rule
def _plain_store(found: Limits) -> Iterator[Problem]:
    if found.store is not None and found.store_ca is not None and not found.store.tls:
        yield Problem(("limits", "store_ca"), "is of use with rediss:// only")


@rule
def _in_clear(found: Limits) -> Iterator[Problem]:
    store = found.store
    if store is not None and found.store_password is not None and not store.tls and not _loopback(store.host):
        yield warning(("limits", "store"), "the password goes over the network in clear; use rediss://")


@rule
def _one_of_all(found: Limits) -> Iterator[Problem]:
    both = {"connections", "connections_per_address"} <= found.model_fields_set
    if both and found.connections_per_address > found.connections:
        yield warning(
            ("limits", "connections_per_address"), f"is never reached: `connections` of all are {found.connections}"
        )


@rule
def _nothing_shared(draft: Draft, found: Limits) -> Iterator[Problem]:
    if found.store is None or not draft.whole:
        return
    rated = [*draft.upstreams.values(), *draft.callers.values(), *(route for _, route in draft.routes)]
    if all(each.rate is None for each in rated):
        yield warning(("limits", "store"), "no caller, route or upstream has a `rate` that could be shared")


def remembered_answers(draft: Draft) -> Iterator[Problem]:
    """Memory in which no answer could be remembered."""
    if draft.idempotency_keys is not None:
        for name in ("answer", "memory"):
            yield from _too_little(draft.idempotency_keys, name)
        yield from _one_above_all(draft.idempotency_keys)


@rule
def _too_little(keys: IdempotencyKeys, name: str) -> Iterator[Problem]:
    if getattr(keys, name) < _LEAST_KEPT:
        yield Problem(("idempotency_keys", name), "is too little for any answer: its header lines count; from 4KiB")


@rule
def _one_above_all(keys: IdempotencyKeys) -> Iterator[Problem]:
    if keys.answer > keys.memory:
        name, other = ("answer", "memory") if "answer" in keys.model_fields_set else ("memory", "answer")
        yield Problem(("idempotency_keys", name), f"one answer may be larger than all of them; see `{other}`")


def _loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
