"""Envoy towards a legacy server. A failed connection is tried again, three times."""

import json
from typing import Any

from bench.peers import envoy
from bench.peers.envoy import TYPES
from bench.peers.setup import Command
from bench.reach.proxy import Proxy
from bench.reach.wish import EVERY_CIPHER, Wish

_CIPHERS = (
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-RSA-CHACHA20-POLY1305",
    "ECDHE-RSA-AES128-SHA256",
    "ECDHE-ECDSA-AES128-SHA",
    "ECDHE-RSA-AES128-SHA",
    "ECDHE-ECDSA-AES256-SHA",
    "ECDHE-RSA-AES256-SHA",
    "AES128-GCM-SHA256",
    "AES256-GCM-SHA384",
    "AES128-SHA",
    "AES256-SHA",
    "DES-CBC3-SHA",
)
"""All suites that Envoy takes, without those for pre-shared keys."""


def prepare(wish: Wish) -> Command:
    """Writes envoy.json."""
    path = wish.directory / "envoy.json"
    path.write_text(json.dumps({"static_resources": {"listeners": [_listener(wish)], "clusters": [_cluster(wish)]}}))
    options = ["--concurrency", "1", "--disable-hot-restart", "--use-dynamic-base-id", "-l", "error"]
    return Command([envoy._binary(), "-c", str(path), *options])


def _address(host: str, port: int) -> dict[str, Any]:
    return {"socket_address": {"address": host, "port_value": port}}


def _listener(wish: Wish) -> dict[str, Any]:
    retry = {"retry_on": "connect-failure,reset,refused-stream", "num_retries": 3}
    route = {"match": {"prefix": "/"}, "route": {"cluster": "legacy", "timeout": "4s", "retry_policy": retry}}
    manager = {
        "@type": f"{TYPES}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "codec_type": "HTTP1",
        "stat_prefix": "callers",
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}]},
        "http_filters": [{"name": "router", "typed_config": {"@type": f"{TYPES}.filters.http.router.v3.Router"}}],
    }
    return {
        "name": "callers",
        "address": _address("127.0.0.1", wish.listen),
        "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}],
    }


def _cluster(wish: Wish) -> dict[str, Any]:
    return {
        "name": "legacy",
        "type": "STATIC",
        "connect_timeout": "4s",
        "load_assignment": {
            "cluster_name": "legacy",
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": _address(wish.host, wish.port)}}]}],
        },
        "transport_socket": {"name": "tls", "typed_config": _tls(wish)},
    }


def _tls(wish: Wish) -> dict[str, Any]:
    known = _CIPHERS if wish.ciphers == EVERY_CIPHER else [name for name in wish.ciphers.split(":") if name in _CIPHERS]
    common: dict[str, Any] = {
        "tls_params": {
            "tls_minimum_protocol_version": "TLSv1_0",
            "tls_maximum_protocol_version": wish.most.replace(".", "_"),
            "cipher_suites": known or _CIPHERS,
        }
    }
    if wish.identity:
        chain, key = wish.identity
        common["tls_certificates"] = [{"certificate_chain": {"filename": chain}, "private_key": {"filename": key}}]
    return {
        "@type": f"{TYPES}.transport_sockets.tls.v3.UpstreamTlsContext",
        "common_tls_context": common,
        "allow_renegotiation": True,
        **({"sni": wish.name} if wish.name else {}),
        **({"max_session_keys": 0} if wish.plain else {}),
    }


PROXY = Proxy(
    "envoy",
    "Envoy",
    envoy.PEER.missing,
    envoy.PEER.version,
    prepare,
    "`tls_minimum_protocol_version: TLSv1_0`, every suite it takes, `allow_renegotiation`, retries",
)
