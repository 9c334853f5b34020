"""The broker's configuration: one upstream for each way, in three variants."""

from collections.abc import Mapping, Sequence
from typing import Any

from bench.obsolete.servers import Identity
from bench.obsolete.ways import Way
from bench.pki import Certificate
from bench.process import free_port

PLAIN = "plain"
KEPT, FULL, RESUMED = "", "full-", "resumed-"
"""Connections are kept; made for each call with a full handshake; made for each call and resumed."""


def configuration(
    port: int, certificate: Certificate, identity: Identity, ways: Sequence[Way], ports: Mapping[str, int]
) -> dict[str, Any]:
    """`ports` are those of the servers `nginx`, `legacy` and `plain`."""
    upstreams: dict[str, Any] = {PLAIN: {"targets": [f"http://127.0.0.1:{ports[PLAIN]}"]}}
    for way in ways:
        for variant in (KEPT, FULL, RESUMED):
            upstreams[variant + way.name] = _upstream(way, variant, identity, ports[way.server])
    files = {"chain": str(certificate.chain), "key": str(certificate.key)}
    return {
        "version": 1,
        "admin": {"bind": f"127.0.0.1:{free_port()}"},
        "log": {"access": False},
        "listeners": {"fno": {"bind": f"127.0.0.1:{port}", "tls": {"certificates": [files]}}},
        "upstreams": upstreams,
        "callers": {"bench": {"type": "api_key", "header": "X-Api-Key", "key": "env:BENCH_KEY"}},
        "routes": [
            {"name": name, "match": {"path": f"/{name}/"}, "callers": "public", "upstream": name} for name in upstreams
        ],
    }


def _upstream(way: Way, variant: str, identity: Identity, port: int) -> dict[str, Any]:
    tls = {**way.tls, "ca": str(identity.ca), "review_by": "2099-12-31", "session_reuse": variant != FULL}
    kept = {} if variant == KEPT else {"pool": {"idle": "0s"}}
    return {"targets": [f"https://127.0.0.1:{port}"], "tls": tls, **kept}
