"""Large bodies through the broker, down and up."""

from typing import Any

from bench.generator import Load
from bench.lab import Running
from bench.obsolete.effort import MB, MIB, Effort
from bench.obsolete.place import Place

Round = dict[str, dict[str, Any]]
SUITES = ("3des", "rc4")
_FIRST = MIB


def run(place: Place, broker: Running, effort: Effort) -> list[Round]:
    """Sizes are found by a first body of 1 MiB, so that a slow engine takes no longer than a fast one."""
    found: list[Round] = []
    for _ in range(effort.bulk_rounds):
        found.append({})
        for way in place.ways:
            if way.suite in SUITES:
                for direction in ("down", "up"):
                    found[-1][f"{way.name} {direction}"] = _measure(place, broker, way.name, direction, effort)
    return found


def _measure(place: Place, broker: Running, name: str, direction: str, effort: Effort) -> dict[str, Any]:
    first = place.load(broker, _load(name, direction, _FIRST))
    wanted = int(_FIRST * effort.bulk_seconds / first["seconds"])
    size = max(_FIRST, min(effort.bulk_most, wanted) // MIB * MIB)
    result = place.load(broker, _load(name, direction, size))
    return {
        "rate": size / MB / result["seconds"],
        "per_cpu": size / MB / result["cpu_seconds"],
        "busy": result["cpu_seconds"] / result["seconds"],
        "mib": size / MIB,
    }


def _load(name: str, direction: str, size: int) -> Load:
    shared: Load = {"count": 1, "seconds": 40, "limit": 40}
    if direction == "down":
        return {**shared, "path": f"/{name}/bytes/{size}"}
    return {**shared, "path": f"/{name}/", "method": "POST", "body": size}
