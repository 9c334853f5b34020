"""A broker whose routes file is changed while it runs."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import yaml

from broker.app import App
from broker.reload import Report
from broker.testing.pki import Authority, Issued
from broker.testing.raw import RawClient, RawUpstream

AUTHORITY = Authority.create("Reload CA")
SERVER = AUTHORITY.issue()
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
PATIENCE = 10.0


def get(path: str = "/", *lines: str) -> bytes:
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: localhost", *lines, "", ""]).encode()


class Place:
    """A directory with a routes file, and the broker that reads it."""

    def __init__(self, base: Path, port: int) -> None:
        self.base = base
        self.path = base / "routes.yaml"
        SERVER.write(base, "server")
        AUTHORITY.write_ca(base)
        self.document: dict[str, Any] = {
            "version": 1,
            "admin": {"bind": "127.0.0.1:0"},
            "log": {"access": False},
            "secrets": {"files": "."},
            "reload": {"watch": False},
            "listeners": {"in": self.listener()},
            "upstreams": {"back": {"targets": [f"http://127.0.0.1:{port}"]}},
            "callers": {},
            "routes": [self.route("all", "/")],
        }
        self.write()
        self.app = App(self.path, log_setup=False)

    @staticmethod
    def listener(port: int = 0, **tls: Any) -> dict[str, Any]:
        certificates = [{"chain": "server.crt", "key": "server.key"}]
        return {"bind": f"127.0.0.1:{port}", "tls": {"certificates": certificates, **tls}}

    @staticmethod
    def route(name: str, prefix: str, **more: Any) -> dict[str, Any]:
        return {"name": name, "match": {"path": prefix}, "callers": "public", "upstream": "back", **more}

    def write(self, text: str | None = None) -> None:
        """The document, or what stands in its place."""
        self.path.write_text(yaml.safe_dump(self.document) if text is None else text)

    def replace(self, issued: Issued, name: str = "server") -> None:
        """Another certificate in the same files."""
        issued.write(self.base, name)

    async def reload(self, text: str | None = None) -> Report:
        """Write the file and reload."""
        self.write(text)
        asked = self.app.reload("test")
        assert asked is not None
        async with asyncio.timeout(PATIENCE):
            report: Report = await asked
        return report

    async def reloaded(self) -> Report:
        """Write, reload, and it must work."""
        report = await self.reload()
        assert report.outcome == "success", report.faults
        return report

    def port(self, listener: str = "in") -> int:
        return self.app.listeners[listener].address[1]

    def caller(self, listener: str = "in", **options: Any) -> RawClient:
        return RawClient(self.port(listener), **{"ca": AUTHORITY.ca_pem, **options})

    async def status(self, request: bytes | None = None, listener: str = "in", **options: Any) -> int:
        """The answer to one request on a connection of its own."""
        async with asyncio.timeout(PATIENCE), self.caller(listener, **options) as caller:
            await caller.send(request or get())
            return (await caller.recv_response("GET")).status

    async def admin(self, path: str, method: str = "GET") -> tuple[int, str]:
        assert self.app.admin is not None
        host, port = self.app.admin.address
        async with aiohttp.request(method, f"http://{host}:{port}{path}") as answer:
            return answer.status, await answer.text()

    async def metric(self, line: str) -> float:
        """The value of a sample."""
        _, page = await self.admin("/metrics")
        return next(float(row.rpartition(" ")[2]) for row in page.splitlines() if row.startswith(line + " "))


@asynccontextmanager
async def reloading(
    base: Path, script: Any = OK, change: Callable[[Place], None] = lambda _: None, tls: ssl.SSLContext | None = None
) -> AsyncIterator[tuple[Place, RawUpstream]]:
    """A place and its upstream; `change` is made to the document before the start."""
    async with RawUpstream(script, tls=tls) as upstream:
        place = Place(base, upstream.port)
        if tls is not None:
            place.document["upstreams"]["back"] = {
                "targets": [f"https://127.0.0.1:{upstream.port}"],
                "tls": {"ca": "ca.crt"},
            }
        change(place)
        place.write()
        await place.app.start()
        try:
            yield place, upstream
        finally:
            await place.app.stop(0)


def free_port() -> int:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])
