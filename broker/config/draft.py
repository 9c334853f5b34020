"""As much of a configuration as is valid, so that one bad entry does not hide the faults of the others."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, TypeVar, get_args

from broker.config.base import Model
from broker.config.model import Admin, Caller, Config, IdempotencyKeys, Limits, Listener, Route, Secrets, Upstream
from broker.config.partial import Partial, as_far_as_valid, knows

_M = TypeVar("_M", bound=Model)
_SECTIONS: Final = ("listeners", "upstreams", "callers")
_CALLERS: Final[dict[object, type[Model]]] = {
    kind: model for model in get_args(get_args(Caller)[0]) for kind in get_args(model.model_fields["type"].annotation)
}


@dataclass(frozen=True)
class Draft:
    """The parts as far as they are valid (see `partial`), and the names of all parts, valid or not."""

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
    unread: frozenset[str] = frozenset()
    """Sections of `names` that cannot be read, so that nobody knows the names."""
    whole: bool = False
    """Whether no listener, upstream, caller or route was left out; some of their keys may be."""

    @cached_property
    def routes_of(self) -> dict[str, list[tuple[int, Route]]]:
        """The routes to each upstream, by its name; those of which that is not known are left out."""
        found: dict[str, list[tuple[int, Route]]] = {}
        for index, route in self.routes:
            if knows(route, "upstream"):
                found.setdefault(route.upstream, []).append((index, route))
        return found

    @cached_property
    def routes_known(self) -> bool:
        """Whether `routes_of` has all routes."""
        return self.whole and all(knows(route, "upstream") for _, route in self.routes)


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
    sections = {name: _mapping(data.get(name)) for name in _SECTIONS}
    unread = frozenset(name for name in _SECTIONS if not _readable(data, name))
    given = data.get("routes")
    indexed = dict(enumerate(given)) if isinstance(given, list) else {}
    listeners = _valid(Listener, sections["listeners"], context)
    upstreams = _valid(Upstream, sections["upstreams"], context)
    callers = _callers(sections["callers"], context)
    routes = _valid(Route, indexed, context)
    found: tuple[dict[str, Any], ...] = (listeners, upstreams, callers)
    return Draft(
        listeners,
        upstreams,
        callers,
        list(routes.items()),
        names={name: dict.fromkeys(entries) for name, entries in sections.items()},
        admin=as_far_as_valid(Admin, data.get("admin", {}), context),
        secrets=_secrets(data.get("secrets", {}), context),
        limits=as_far_as_valid(Limits, data.get("limits", {}), context),
        idempotency_keys=as_far_as_valid(IdempotencyKeys, data.get("idempotency_keys", {}), context),
        unread=unread,
        whole=not unread
        and isinstance(given, list)
        and len(routes) == len(given)
        and all(len(valid) == len(entries) for valid, entries in zip(found, sections.values(), strict=True)),
    )


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _readable(data: Mapping[str, Any], section: str) -> bool:
    """Whether the names in a section are known; a top-level key that nobody knows may be an absent one, misspelt."""
    if section in data or Config.model_fields[section].is_required():
        return isinstance(data.get(section), dict)
    return not data.keys() - Config.model_fields.keys()


def _valid(kind: type[_M], entries: Mapping[Any, Any], context: Mapping[str, Any]) -> dict[Any, _M]:
    found = ((name, as_far_as_valid(kind, entry, context)) for name, entry in entries.items())
    return {name: part for name, part in found if part is not None}


def _callers(entries: Mapping[str, Any], context: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, entry in entries.items():
        kind = _mapping(entry).get("type")
        if isinstance(kind, str) and kind in _CALLERS:
            found |= _valid(_CALLERS[kind], {name: entry}, context)
    return found


def _secrets(value: object, context: Mapping[str, Any]) -> Secrets | None:
    """All or nothing: providers are looked up with them."""
    found = as_far_as_valid(Secrets, value, context)
    return None if isinstance(found, Partial) else found
