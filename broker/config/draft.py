"""As much of a configuration as is valid, so that one bad entry does not hide the faults of the others."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from pydantic import TypeAdapter, ValidationError

from broker.config.model import Admin, Caller, Config, IdempotencyKeys, Limits, Listener, Route, Secrets, Upstream

_T = TypeVar("_T")
_CALLER: Final = TypeAdapter[Any](Caller)


@dataclass(frozen=True)
class Draft:
    """The valid parts, and the names of all parts, valid or not."""

    listeners: dict[str, Listener]
    upstreams: dict[str, Upstream]
    callers: dict[str, Any]
    routes: list[tuple[int, Route]]
    """With their index in the file."""
    names: dict[str, dict[str, None]]
    """Of `listeners`, `upstreams` and `callers`: ordered sets."""
    admin: Admin | None = None
    secrets: Secrets | None = None
    limits: Limits | None = None
    idempotency_keys: IdempotencyKeys | None = None
    whole: bool = False
    """Whether nothing was left out."""


def draft_of(config: Config) -> Draft:
    """The draft of a valid configuration: everything."""
    names: dict[str, dict[str, None]] = {
        "listeners": dict.fromkeys(config.listeners),
        "upstreams": dict.fromkeys(config.upstreams),
        "callers": dict.fromkeys(config.callers),
    }
    routes = list(enumerate(config.routes))
    return Draft(
        config.listeners,
        config.upstreams,
        config.callers,
        routes,
        names,
        config.admin,
        config.secrets,
        config.limits,
        config.idempotency_keys,
        whole=True,
    )


def salvage(data: Mapping[str, Any], context: Mapping[str, Any]) -> Draft:
    """The draft of data that is not valid as a whole; relative paths as `context` says."""
    sections = {name: _mapping(data.get(name)) for name in ("listeners", "upstreams", "callers")}
    routes = data.get("routes")
    indexed: dict[int, Any] = dict(enumerate(routes)) if isinstance(routes, list) else {}
    return Draft(
        listeners=_valid(TypeAdapter(Listener), sections["listeners"], context),
        upstreams=_valid(TypeAdapter(Upstream), sections["upstreams"], context),
        callers=_valid(_CALLER, sections["callers"], context),
        routes=list(_valid(TypeAdapter(Route), indexed, context).items()),
        names={name: dict.fromkeys(entries) for name, entries in sections.items()},
        secrets=_valid(TypeAdapter(Secrets), {"": data.get("secrets") or {}}, context).get(""),
        limits=_valid(TypeAdapter(Limits), {"": data.get("limits") or {}}, context).get(""),
        idempotency_keys=_valid(TypeAdapter(IdempotencyKeys), {"": data.get("idempotency_keys") or {}}, context).get(
            ""
        ),
    )


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _valid(adapter: TypeAdapter[_T], entries: Mapping[Any, Any], context: Mapping[str, Any]) -> dict[Any, _T]:
    found: dict[Any, _T] = {}
    for name, entry in entries.items():
        try:
            found[name] = adapter.validate_python(entry, context=dict(context))
        except ValidationError:
            continue
    return found
