"""Many reloads under load, half of them of broken files: no call fails, and nothing piles up."""

import asyncio
import gc
import threading
from collections import Counter
from pathlib import Path
from typing import Final

import aiohttp
import pytest
from scenario_reload import AUTHORITY, Place, reloading

from broker.collector import Tidy
from broker.compiled import Compiled
from broker.listener.connection import ServerConnection
from broker.testing.contexts import client_context, server_context
from broker.upstream.connection import UpstreamConnection
from broker.upstream.pool import Pool

RELOADS: Final = 100
CALLERS: Final = 6
BROKEN: Final = ("routes: [", "version: 2", None)


class Load:
    """Calls without a pause, on kept connections and on new ones."""

    def __init__(self, port: int) -> None:
        self.calls = 0
        self.failed: list[str] = []
        self._url = f"https://localhost:{port}"
        self._stopping = False

    async def run(self) -> None:
        connector = aiohttp.TCPConnector(ssl=client_context(AUTHORITY.ca_pem))
        async with aiohttp.ClientSession(connector=connector) as session:
            await asyncio.gather(*(self._caller(session, number) for number in range(CALLERS)))

    async def _caller(self, session: aiohttp.ClientSession, number: int) -> None:
        turn = 0
        while not self._stopping:
            turn += 1
            path = "/shown/x" if number % 2 else "/"
            headers = {"Connection": "close"} if turn % 10 == 0 else {}
            try:
                async with session.post(self._url + path, data=b"x" * 100, headers=headers) as answer:
                    if answer.status != 200 or await answer.read() != b"ok":
                        self.failed.append(f"{path} {answer.status}")
            except aiohttp.ClientError as error:
                self.failed.append(repr(error))
            self.calls += 1

    def stop(self) -> None:
        self._stopping = True


def turn(place: Place, number: int) -> str | None:
    """Change the document for the `number`-th reload, or give the text of a broken one."""
    if number % 2:
        text = BROKEN[number // 2 % len(BROKEN)]
        if text is None:
            place.document["listeners"]["broken"] = place.listener(place.port())
        return text
    place.document["listeners"].pop("broken", None)
    routes = [one for one in place.document["routes"] if not one["name"].startswith("turn")]
    place.document["routes"] = [*routes, place.route(f"turn{number}", f"/{number}", listener="in")]
    place.document["listeners"].pop("extra", None)
    if number % 4:
        place.document["listeners"]["extra"] = place.listener()
        place.document["routes"].append(place.route("turn-extra", "/", listener="extra"))
    # Another pool, another certificate, another caller.
    place.document["upstreams"]["back"]["timeouts"] = {"connect": f"{5 + number % 3}s"}
    place.document["callers"] = {"fno": {"type": "api_key", "key": f"env:KEY{number % 5}"}}
    place.document["routes"][-1]["callers"] = ["fno"]
    if number % 6 == 0:
        place.replace(AUTHORITY.issue())
    return None


def counts(*, remains: bool = False) -> Counter[str]:
    # Those that look up names and read secrets come as they are needed, up to a fixed number.
    pooled = ("asyncio_", "secrets-file_")
    threads = [one for one in threading.enumerate() if not one.name.startswith(pooled)]
    found = Counter(
        fds=len(list(Path("/proc/self/fd").iterdir())), threads=len(threads), tasks=len(asyncio.all_tasks())
    )
    if remains:
        gc.unfreeze()
        gc.collect()
        kinds = (Compiled, Pool, ServerConnection, UpstreamConnection)
        found.update(type(one).__name__ for one in gc.get_objects() if isinstance(one, kinds))
    return found


async def test_no_call_fails_and_nothing_piles_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(5):
        monkeypatch.setenv(f"KEY{number}", f"the-key-number-{number}")
    (tmp_path / "client.pem").write_text((one := AUTHORITY.issue_client("broker")).chain_pem + one.key_pem)
    context = server_context(AUTHORITY.issue(), client_ca=AUTHORITY.ca_pem)
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

    def shows(place: Place) -> None:
        credentials = {"type": "client_certificate", "certificate": "file:client.pem"}
        place.document["upstreams"]["back"]["pool"] = {"size": CALLERS}
        place.document["routes"] = [
            place.route("shown", "/shown/", credentials=credentials, listener="in"),
            place.route("all", "/", credentials=credentials, listener="in"),
        ]

    async with reloading(tmp_path, answer, shows, tls=context) as (place, _):
        load = Load(place.port())
        running = asyncio.create_task(load.run())
        before = after = Counter[str]()
        for number in range(RELOADS):
            report = await place.reload(turn(place, number))
            assert report.outcome == ("failure" if number % 2 else "success"), report.faults
            if number == 9:
                before = counts()
        await asyncio.sleep(0.2)
        after = counts()
        calls = load.calls
        load.stop()
        await running
        Tidy().now()
        remains = counts(remains=True)
    assert load.failed == []
    assert calls > RELOADS
    assert after["threads"] == before["threads"]
    assert after["tasks"] <= before["tasks"] + 10
    assert after["fds"] <= before["fds"] + 3 * CALLERS
    assert remains["Compiled"] <= 2
    assert remains["Pool"] <= 6
    assert remains["UpstreamConnection"] <= 4 * CALLERS
