"""A broker before several scripted targets."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import yaml
from rig import GET, Rig, serving

from broker.testing.raw.client import RawResponse
from broker.testing.raw.upstream import RawUpstream, Script


def says(body: bytes, status: bytes = b"200 OK") -> bytes:
    """An answer."""
    return b"HTTP/1.1 %b\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body)


def asking(**headers: str) -> bytes:
    """A GET with these headers."""
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    return GET[:-2] + lines.encode() + b"\r\n"


def code(answer: RawResponse) -> tuple[int, bytes]:
    """Status, and the broker's own code."""
    return answer.status, (answer.headers("broker-error") or [b""])[0]


@dataclass
class Several:
    """The broker and its targets."""

    rig: Rig
    targets: list[RawUpstream]

    @property
    def upstream(self) -> Any:
        """The upstream inside the broker."""
        return self.rig.app._compiled.upstreams["back"]

    async def bodies(self, calls: int, request: bytes = GET) -> Counter[bytes]:
        """Who answered how many of these calls, made one after the other."""
        return Counter([bytes((await self.rig.call(request)).body) for _ in range(calls)])

    async def reloaded(self, **changes: Any) -> None:
        """Let the broker read its file again, with these settings of the upstream."""
        path = self.rig.app._path
        content = yaml.safe_load(path.read_text())
        content["upstreams"]["back"] |= changes
        path.write_text(yaml.safe_dump(content))
        report = await self.rig.app.reload("test")
        assert report.outcome == "success", report.faults

    def healthy(self) -> list[bool]:
        """Whether each target is usable."""
        return list(self.upstream.healthy().values())

    def asked(self) -> list[int]:
        """Requests that reached each target."""
        return [len(target.requests) for target in self.targets]


@asynccontextmanager
async def several(
    *scripts: Script, fallback: int = 0, server_tls: Any = None, route: Any = None, **upstream: Any
) -> AsyncIterator[Several]:
    """Start a target for each script, the last `fallback` of them as fallback, and a broker before them."""
    async with AsyncExitStack() as stack:
        targets = [await stack.enter_async_context(RawUpstream(script, tls=server_tls)) for script in scripts]
        scheme = "http" if server_tls is None else "https"
        urls = [f"{scheme}://127.0.0.1:{target.port}" for target in targets]
        primaries = len(urls) - fallback
        service = {"targets": urls[:primaries], "fallback": urls[primaries:], **upstream}
        rig = await stack.enter_async_context(serving(says(b"nobody"), upstream=service, route=route))
        yield Several(rig, targets)
