"""The broker's configuration: what protects the service."""

from collections.abc import Sequence
from typing import Any

from bench.overload.scenario import PRIORITIES, Scenario, Way
from bench.pki import Certificate
from bench.process import free_port

PROTECTION: dict[str, Any] = {
    "queue": {"size": 100, "wait": "500ms"},
    "circuit_breaker": {"failures": 10, "share": "50%", "window": "10s", "calls": 50, "open_for": "5s"},
}
"""Beside the limit of calls at a time."""


def key_of(priority: str) -> str:
    """What callers of a priority prove themselves with."""
    return f"key-of-the-{priority}-callers-in-this-benchmark"


def environment(priorities: Sequence[str] = PRIORITIES) -> dict[str, str]:
    """Where the broker reads the keys."""
    return {f"OVERLOAD_{priority.upper()}": key_of(priority) for priority in priorities}


def configuration(scenario: Scenario, way: Way, port: int, certificate: Certificate, service: int) -> dict[str, Any]:
    """A caller for each priority, one route, one upstream."""
    limit = {"adaptive_concurrency": {}} if way.adaptive else {"max_concurrency": scenario.places}
    callers = {
        priority: {
            "type": "api_key",
            "header": "X-Api-Key",
            "key": f"env:OVERLOAD_{priority.upper()}",
            "priority": priority,
        }
        for priority in PRIORITIES
    }
    files = {"chain": str(certificate.chain), "key": str(certificate.key)}
    return {
        "version": 1,
        "admin": {"bind": f"127.0.0.1:{free_port()}"},
        "listeners": {"fno": {"bind": f"127.0.0.1:{port}", "tls": {"certificates": [files]}}},
        "upstreams": {
            "legacy": {"targets": [f"http://127.0.0.1:{service}"], **limit, **PROTECTION},
        },
        "callers": callers,
        "routes": [{"name": "stock", "match": {"path": "/"}, "callers": list(callers), "upstream": "legacy"}],
    }
