"""Caddy towards a legacy server. Its transport has no setting for versions or ciphers; GODEBUG has some."""

import json
import re
from typing import Any

from bench.peers import caddy
from bench.peers.setup import Command, first_line
from bench.reach.proxy import Proxy
from bench.reach.wish import Wish

_GODEBUG = (
    "tls10server=1,tls10default=1,tls3des=1,tlsrsakex=1,tlssha1=1,x509sha1=1,tlsunsafeekm=1,rsa1024min=0,"
    "x509negativeserial=1,tlsmlkem=0,tlssecpmlkem=0"
)


def prepare(wish: Wish) -> Command:
    """Writes caddy.json."""
    path = wish.directory / "caddy.json"
    server = {
        "listen": [f"127.0.0.1:{wish.listen}"],
        "protocols": ["h1"],
        "automatic_https": {"disable": True},
        "routes": [{"handle": [_reverse_proxy(wish)]}],
    }
    configuration = {
        "admin": {"disabled": True},
        "logging": {"logs": {"default": {"level": "ERROR"}}},
        "storage": {"module": "file_system", "root": str(wish.directory / "caddy-data")},
        "apps": {"http": {"servers": {"callers": server}}},
    }
    path.write_text(json.dumps(configuration))
    environment = {"GODEBUG": _GODEBUG, "HOME": str(wish.directory)}
    return Command([caddy._binary(), "run", "--config", str(path)], environment)


def _reverse_proxy(wish: Wish) -> dict[str, Any]:
    tls: dict[str, Any] = {"insecure_skip_verify": True, "renegotiation": "freely"}
    if wish.name:
        # Without a name it is the address, which is not sent.
        tls["server_name"] = wish.name
    if wish.identity:
        tls["client_certificate_file"], tls["client_certificate_key_file"] = wish.identity
    return {
        "handler": "reverse_proxy",
        "upstreams": [{"dial": wish.address}],
        "load_balancing": {"retries": 3},
        "transport": {"protocol": "http", "versions": ["1.1"], "dial_timeout": "4s", "tls": tls},
    }


def _version() -> str:
    built = re.search(r"\bgo1[.\d]+", first_line(caddy._binary(), "build-info"))
    return caddy.PEER.version() + (f" ({built[0]})" if built else "")


PROXY = Proxy(
    "caddy",
    "Caddy",
    caddy.PEER.missing,
    _version,
    prepare,
    "`insecure_skip_verify`, `renegotiation: freely`, retries, GODEBUG with all that weakens TLS; it has no setting "
    "for versions and ciphers towards upstreams",
)
