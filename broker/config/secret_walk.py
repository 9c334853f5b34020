"""Every reference to a secret in a part of the configuration, with its place."""

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from broker.config.draft import Draft
from broker.config.faults import Loc
from broker.config.secret_ref import SecretRef


def references_in(value: Any, loc: Loc = ()) -> Iterator[tuple[Loc, SecretRef]]:
    """All of them below `value`; it does not matter which fields hold references, or in which classes."""
    if isinstance(value, SecretRef):
        yield loc, value
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            # Malformed keys have no value.
            yield from references_in(getattr(value, name, None), (*loc, name))
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from references_in(item, (*loc, key))
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from references_in(item, (*loc, index))


def references_of(draft: Draft) -> Iterator[tuple[Loc, SecretRef]]:
    """All of a file, as far as it is valid."""
    for section in ("secrets", "limits", "listeners", "upstreams", "callers"):
        yield from references_in(getattr(draft, section), (section,))
    for index, route in draft.routes:
        yield from references_in(route, ("routes", index))
