"""An obsolete upstream in use changes nothing for callers, and its failures harm nobody else's connections."""

import asyncio
import re
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from scenario_broker import Broker, Start
from scenario_servers import accepting, http_1_0
from test_hop1_scan import assert_strong, scan

from broker.testing.contexts import client_context, server_context
from broker.testing.legacy_tls import CASES
from broker.testing.pki import Authority
from broker.tls import private

CA = Authority.create(key="rsa2048")
SERVER = CA.issue(key="rsa2048")


@pytest.fixture
def obsolete(tmp_path: Path) -> Iterator[dict[str, Any]]:
    """An upstream that speaks SSLv3 alone."""
    case = CASES["ssl3-only"]
    if why := case.why_not():
        pytest.skip(why)
    directory = tmp_path / "legacy"
    directory.mkdir()
    with case.serve(directory) as served:
        target = f"https://{served.host}:{served.port}"
        yield {"targets": [target], "tls": {**served.settings, "review_by": "2090-01-01"}}


@pytest.mark.parametrize("engine", ["private", "tlslite"])
def test_a_scan_of_hop_1_is_the_same_with_an_obsolete_upstream_in_use(
    tmp_path: Path, obsolete: dict[str, Any], engine: str
) -> None:
    if engine == "private" and not private.available():
        pytest.skip("the private OpenSSL is missing: make obsolete-tls")
    obsolete["tls"]["engine"] = engine
    before, after = tmp_path / "before", tmp_path / "after"
    before.mkdir()
    after.mkdir()
    with Broker(before, {"nowhere": {"targets": ["http://127.0.0.1:9"]}}) as broker:
        untouched = scan(broker.port)
    with Broker(after, {"old": obsolete}) as broker:
        assert broker.get("/old/").status == 200
        assert 'protocol="SSLv3"' in broker.metrics()
        in_use = scan(broker.port)
        assert broker.get("/old/").status == 200
    assert in_use == untouched
    assert_strong(in_use, "ECDHE-ECDSA")


_LOOK = """
import os, re, ssl, sys
from broker.tls import private
def libraries():
    return {m[1] for m in re.finditer(r"(/\\S*lib(?:ssl|crypto)[^/\\s]*)$", open("/proc/self/maps").read(), re.M)}
before = libraries()
assert private.available()
assert libraries() == before, "another OpenSSL is visible"
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
print(ssl.OPENSSL_VERSION, "|", private.version(), "|", sorted(c["name"] for c in context.get_ciphers()))
"""


@pytest.mark.skipif(not private.available(), reason="the private OpenSSL is missing: make obsolete-tls")
def test_hop_1_stays_on_the_interpreters_own_openssl() -> None:
    done = subprocess.run([sys.executable, "-c", _LOOK], capture_output=True, text=True, check=True)
    own, other, suites = done.stdout.split(" | ")
    assert own == ssl.OPENSSL_VERSION
    assert other.startswith("OpenSSL 3")
    assert not re.search(r"RC4|DES|NULL|MD5", suites)


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.parametrize("engine", ["private", "tlslite", "system"])
def test_a_thousand_failed_handshakes_harm_no_other_connection(tmp_path: Path, start: Start, engine: str) -> None:
    if engine == "private" and not private.available():
        pytest.skip("the private OpenSSL is missing: make obsolete-tls")
    ways = iter(range(1_000_000))

    def break_off(connection: socket.socket) -> None:
        way = next(ways) % 3
        connection.recv(1 if way == 0 else 65536)
        if way == 1:
            connection.sendall(b"\x15\x03\x00\x00\x02\x02\x28")
        if way == 2:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")

    context = server_context(SERVER, minimum=ssl.TLSVersion.TLSv1, maximum=ssl.TLSVersion.TLSv1)
    with ExitStack() as stack:
        bad = stack.enter_context(accepting(break_off))
        good = stack.enter_context(http_1_0(context, b"all is well"))
        tls = {"profile": "obsolete", "engine": engine, "ca": str(CA.write_ca(tmp_path)), "review_by": "2090-01-01"}
        broker = start(
            {
                "bad": {"targets": [f"https://127.0.0.1:{bad}"], "tls": tls},
                "good": {"targets": [f"https://127.0.0.1:{good}"], "tls": tls},
            }
        )
        assert broker.get("/good/").text == "all is well"
        before = descriptors()
        codes = asyncio.run(hammer(broker, "/bad/", calls=1000, at_once=20))
        assert codes == {502}
        assert [broker.get("/good/").text for _ in range(3)] == ["all is well"] * 3
        assert descriptors() <= before + 5


async def hammer(broker: Broker, path: str, calls: int, at_once: int) -> set[int]:
    """The status codes of many calls over a few kept connections."""
    context = client_context(broker.ca_pem)

    async def caller(count: int) -> set[int]:
        reader, writer = await asyncio.open_connection("127.0.0.1", broker.port, ssl=context)
        found = set()
        for _ in range(count):
            writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            head = await reader.readuntil(b"\r\n\r\n")
            found.add(int(head.split(b" ", 2)[1]))
            length = re.search(rb"(?i)content-length: (\d+)", head)
            await reader.readexactly(int(length[1]) if length else 0)
        writer.close()
        await writer.wait_closed()
        return found

    return set().union(*await asyncio.gather(*(caller(calls // at_once) for _ in range(at_once))))
