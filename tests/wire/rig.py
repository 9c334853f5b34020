"""A broker between a raw caller and a scripted upstream, started in this process."""

import os
import socket
import tempfile
from asyncio import StreamWriter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from broker.app import App
from broker.testing.pki import Authority, Issued
from broker.testing.raw.client import RawClient, RawResponse
from broker.testing.raw.upstream import RawUpstream, Script

GET = b"GET /thing HTTP/1.1\r\nHost: localhost\r\n\r\n"


@cache
def pki() -> tuple[Authority, Issued]:
    """An authority and a server certificate of it, made once."""
    authority = Authority.create()
    return authority, authority.issue()


def send_fin(writer: StreamWriter) -> None:
    """End the TCP connection below TLS: what a cut looks like when no RST comes."""
    with socket.socket(fileno=os.dup(writer.get_extra_info("socket").fileno())) as same:
        same.shutdown(socket.SHUT_WR)


@dataclass
class Rig:
    """The running parts."""

    app: App
    upstream: RawUpstream

    @property
    def port(self) -> int:
        return self.app.listeners["in"].address[1]

    def caller(self, **options: Any) -> RawClient:
        """A caller; use it with `async with`."""
        return RawClient(self.port, ca=pki()[0].ca_pem, **options)

    async def call(self, request: bytes = GET) -> RawResponse:
        """One call on a connection of its own."""
        async with self.caller() as caller:
            await caller.send(request)
            return await caller.recv_response(request.partition(b" ")[0].decode())

    def pooled(self) -> tuple[int, int]:
        """(idle, busy) connections of the upstream."""
        assert self.app._compiled is not None
        pools = [pool for upstream in self.app._compiled.upstreams.values() for pool in upstream.pools]
        return sum(pool.idle for pool in pools), sum(pool.busy for pool in pools)


@asynccontextmanager
async def serving(
    script: Script,
    *,
    upstream_tls: Any = None,
    upstream: Mapping[str, Any] | None = None,
    listener: Mapping[str, Any] | None = None,
    route: Mapping[str, Any] | None = None,
    more_routes: Sequence[Mapping[str, Any]] = (),
) -> AsyncIterator[Rig]:
    """Start both; the mappings are merged into the routes file, `more_routes` added to the same upstream."""
    with tempfile.TemporaryDirectory() as directory:
        base = Path(directory)
        authority, server = pki()
        chain, key = server.write(base, "server")
        authority.write_ca(base)
        async with RawUpstream(script, tls=upstream_tls) as back:
            scheme = "http" if upstream_tls is None else "https"
            service: dict[str, Any] = {"targets": [f"{scheme}://127.0.0.1:{back.port}"]}
            if upstream_tls is not None:
                service["tls"] = {"ca": "ca.crt"}
            routes = {
                "version": 1,
                "admin": {"bind": "127.0.0.1:0"},
                "listeners": {
                    "in": {
                        "bind": "127.0.0.1:0",
                        "tls": {"certificates": [{"chain": str(chain), "key": str(key)}]},
                        **(listener or {}),
                    }
                },
                "upstreams": {"back": service | dict(upstream or {})},
                "routes": [
                    {"name": "all", "match": {"path": "/"}, "callers": "public", "upstream": "back", **(route or {})},
                    *({"callers": "public", "upstream": "back", **one} for one in more_routes),
                ],
            }
            path = base / "routes.yaml"
            path.write_text(yaml.safe_dump(routes))
            app = App(path, log_setup=False)
            await app.start()
            try:
                yield Rig(app, back)
            finally:
                await app.stop(0)
