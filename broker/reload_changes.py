"""What a reload changed, by name."""

from collections.abc import Mapping
from typing import Any, Final

from broker.compiled import Compiled
from broker.reload_files import files_in

Changes = dict[str, dict[str, list[str]]]
"""By section: names that were added, removed or changed; what did not change is left out."""

_SETTINGS: Final = ("admin", "secrets", "log", "reload", "limits", "drain_grace", "drain_timeout", "idempotency_keys")


def changes(old: Compiled, new: Compiled) -> Changes:
    """What `new` has that `old` had not, or otherwise. A file with another content is a change of whoever names it."""
    found = {
        "listeners": _compared(old.config.listeners, new.config.listeners, old, new),
        "upstreams": _compared(old.config.upstreams, new.config.upstreams, old, new),
        "callers": _compared(old.config.callers, new.config.callers, old, new),
        "routes": _compared(_routes(old), _routes(new), old, new),
        "settings": {"changed": [name for name in _SETTINGS if _differ(old, new, name)]},
    }
    told = {part: {kind: names for kind, names in kinds.items() if names} for part, kinds in found.items()}
    return {part: kinds for part, kinds in told.items() if kinds}


def in_words(told: Changes) -> str:
    """One line: `routes: added a, b; changed c · listeners: removed in`."""
    parts = [
        f"{part}: " + "; ".join(f"{kind} {', '.join(names)}" for kind, names in kinds.items())
        for part, kinds in told.items()
    ]
    return " · ".join(parts) or "nothing changed"


def _compared(before: Mapping[str, Any], now: Mapping[str, Any], old: Compiled, new: Compiled) -> dict[str, list[str]]:
    return {
        "added": [name for name in now if name not in before],
        "removed": [name for name in before if name not in now],
        "changed": [name for name in now if name in before and not _same(before[name], now[name], old, new)],
    }


def _same(before: Any, now: Any, old: Compiled, new: Compiled) -> bool:
    return bool(before == now) and all(old.files.get(path) == new.files.get(path) for path in files_in(now))


def _routes(compiled: Compiled) -> dict[str, Any]:
    """The routes, each with the versions of what its client certificate is made of."""
    shown = {name: [version for _, version in each.shown] for name, each in compiled.credentialed.items() if each.shown}
    return {route.name: (route, shown.get(route.name)) for route in compiled.config.routes}


def _differ(old: Compiled, new: Compiled, name: str) -> bool:
    return bool(getattr(old.config, name) != getattr(new.config, name))
