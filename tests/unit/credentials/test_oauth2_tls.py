"""The way to token endpoints: TLS, trust, a proxy, and what failed handshakes leave behind."""

import asyncio
import ssl
from pathlib import Path
from typing import Any

import pytest
import uvloop
from oauth2_rig import SECRET, SERVER, client, oauth2, token_server

from broker.credentials.flow import CredentialUnavailable
from broker.credentials.oauth2_shared import TokenStore
from broker.testing.contexts import server_context
from broker.testing.pki import Authority
from broker.testing.token_server import TokenServer


async def test_the_endpoints_certificate_is_verified(tmp_path: Path) -> None:
    async with token_server() as server:
        with pytest.raises(CredentialUnavailable, match="certificate verify failed") as caught:
            await client(oauth2(server, tmp_path, ca=None)).call()
        assert server.requests == []
        assert str(server.port) in str(caught.value)
    with pytest.raises(CredentialUnavailable, match="Cannot connect"):
        await client(oauth2(server, tmp_path)).call()


async def test_tls_before_1_2_is_refused(tmp_path: Path) -> None:
    old = server_context(SERVER, minimum=ssl.TLSVersion.TLSv1, maximum=ssl.TLSVersion.TLSv1_1)
    async with TokenServer(old, SECRET) as server:
        with pytest.raises(CredentialUnavailable, match=r"(?i)ssl"):
            await client(oauth2(server, tmp_path)).call()
        assert server.requests == []


async def test_what_is_no_ca_is_said_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "no.crt").write_text("nothing")
    async with token_server() as server:
        for name in ("no.crt", "missing.crt"):
            with pytest.raises(ValueError, match="ca: "):
                client(oauth2(server, tmp_path, ca=tmp_path / name))


async def test_a_proxy_is_asked_for_a_tunnel(tmp_path: Path) -> None:
    asked: list[bytes] = []

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append((await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")[0])
        there, back = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        await asyncio.gather(pump(reader, back), pump(there, writer))

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(4096):
            writer.write(data)
        writer.close()

    async with token_server() as server, await asyncio.start_server(relay, "127.0.0.1", 0) as proxy:
        at = f"http://127.0.0.1:{proxy.sockets[0].getsockname()[1]}"
        assert await client(oauth2(server, tmp_path, proxy=at)).call() == server.issued
        assert asked == [f"CONNECT localhost:{server.port} HTTP/1.1".encode()]


def test_failed_handshakes_harm_no_other_connection(tmp_path: Path) -> None:
    """On the loop of `broker run`: it used to close descriptors that had gone to others by then."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(100):
            writer.write(data)
        writer.close()

    async def others(port: int, done: asyncio.Event) -> int:
        exchanges = 0
        while not done.is_set():
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            for _ in range(5):
                writer.write(b"x")
                assert await reader.readexactly(1) == b"x"
                exchanges += 1
                await asyncio.sleep(0)
            writer.close()
            await writer.wait_closed()
        return exchanges

    async def garbage(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.0 400 no TLS here\r\n\r\n")
        writer.close()

    async def fail(config: Any) -> None:
        with pytest.raises(CredentialUnavailable):
            await client(config, tokens=TokenStore()).call()

    async def run() -> None:
        done = asyncio.Event()
        async with token_server() as server, await asyncio.start_server(echo, "127.0.0.1", 0) as echoing:
            port = echoing.sockets[0].getsockname()[1]
            busy = [asyncio.create_task(others(port, done)) for _ in range(10)]
            async with await asyncio.start_server(garbage, "127.0.0.1", 0) as odd:
                untrusted = oauth2(server, tmp_path, ca=Authority.create("Other CA").write_ca(tmp_path, "other.crt"))
                no_tls = f"https://localhost:{odd.sockets[0].getsockname()[1]}/"
                given_up = oauth2(server, tmp_path, timeout="2ms")
                kinds = [untrusted, untrusted.model_copy(update={"token_url": no_tls}), given_up]
                for _ in range(20):
                    await asyncio.gather(*(fail(kind) for kind in kinds * 5))
            opened = len(list(Path("/proc/self/fd").iterdir()))
            done.set()
            assert min(await asyncio.gather(*busy)) > 0
        assert opened < 100

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run())
