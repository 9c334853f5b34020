"""The broker towards a legacy server, with each of its engines."""

import json
import sys
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from bench.reach.call import CALLS, MANY_CALLS, failure
from broker.config.upstream_tls import UpstreamTls
from broker.testing.legacy_tls import Served
from broker.testing.legacy_tls.processes import free_port, process
from broker.testing.pki import Authority
from broker.tls.engines import EngineError, choose, client_tls
from broker.tls.profiles import options_of

ENGINES = ("system", "tlslite", "private")
_CA = Authority.create("Broker CA")
_LISTENER = _CA.issue()


def failures(served: Served, directory: Path, engines: Collection[str], *, twice: bool = False) -> dict[str, str]:
    """By engine, why the server is not reached, or nothing. Each engine is an upstream of one broker."""
    found = {engine: unable(served.settings, engine) for engine in engines}
    able = [engine for engine in engines if not found[engine]]
    if able:
        port = free_port()
        upstreams = {engine: upstream(served, engine, twice=twice) for engine in able}
        command = [sys.executable, "-m", "broker", "run", "-c", str(_write(directory, port, upstreams))]
        with process(command, port, directory / "broker.log"):
            for engine in able:
                path, calls = f"/{engine}{served.path}", MANY_CALLS if twice else CALLS
                found[engine] = failure(served, port, path, directory / "broker-ca.crt", calls=calls)
    return found


def upstream(served: Served, engine: str, *, twice: bool = False) -> dict[str, Any]:
    """An entry of `upstreams`. Named as `localhost`, a server gets SNI where the settings do not leave it out."""
    host = f"[{served.host}]" if ":" in served.host else "localhost"
    return {
        "targets": [f"https://{host}:{served.port}"] * (1 + twice),
        "tls": {**served.settings, "engine": engine},
        "timeouts": {"connect": "3s", "first_byte": "3s"},
    }


def unable(settings: Mapping[str, Any], engine: str) -> str:
    """Why an engine cannot honour the settings, as `broker check` says too; empty when it can."""
    tls = UpstreamTls.model_validate({**settings, "engine": engine}, context={"base": Path("/")})
    try:
        client_tls(options_of(tls), engine)
    except EngineError as error:
        return str(error)
    return ""


def automatic(settings: Mapping[str, Any]) -> str:
    """The engine that `engine: auto` comes to where all are here."""
    return choose(options_of(UpstreamTls.model_validate(dict(settings), context={"base": Path("/")})))


def _write(directory: Path, port: int, upstreams: Mapping[str, Any]) -> Path:
    """The routes file; JSON is YAML."""
    chain, key = _LISTENER.write(directory, "listener")
    _CA.write_ca(directory, "broker-ca.crt")
    document = {
        "version": 1,
        "admin": {"bind": "127.0.0.1:0"},
        "log": {"access": False},
        "listeners": {
            "fno": {
                "bind": f"127.0.0.1:{port}",
                "tls": {"certificates": [{"chain": str(chain), "key": str(key)}]},
            }
        },
        "upstreams": upstreams,
        "routes": list(_routes(upstreams)),
    }
    path = directory / "routes.yaml"
    path.write_text(json.dumps(document))
    return path


def _routes(upstreams: Mapping[str, Any]) -> Iterator[dict[str, str | dict[str, str]]]:
    for name in upstreams:
        yield {"name": name, "match": {"path": f"/{name}/"}, "path": "/", "callers": "public", "upstream": name}
