"""The routes file changes while calls go on: new calls see it, and those under way end as they began."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from scenario_reload import AUTHORITY, OK, PATIENCE, Place, free_port, get, reloading

from broker.testing.contexts import server_context
from broker.testing.pki import Authority
from broker.testing.raw import RawUpstream
from broker.testing.raw.reader import RawReader, read_head


class Slow:
    """An upstream that answers when it is told to."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.go = asyncio.Event()

    async def __call__(self, reader: RawReader, writer: asyncio.StreamWriter) -> None:
        while head := await read_head(reader):
            reader.requests.append(head)
            self.asked.set()
            await self.go.wait()
            writer.write(OK)


async def test_routes_come_go_and_change_on_a_connection_that_stays(tmp_path: Path) -> None:
    def two(place: Place) -> None:
        place.document["routes"] = [place.route("old", "/old"), place.route("kept", "/kept/")]

    async with reloading(tmp_path, change=two) as (place, up), place.caller() as caller:

        async def ask(path: str) -> int:
            await caller.send(get(path))
            return (await caller.recv_response("GET")).status

        assert (await ask("/old"), await ask("/new"), await ask("/kept/x")) == (200, 404, 200)
        place.document["routes"] = [place.route("new", "/new"), place.route("kept", "/kept/", path="/moved/")]
        report = await place.reloaded()
        assert (await ask("/old"), await ask("/new"), await ask("/kept/x")) == (404, 200, 200)
        assert up.requests[-1].startswith(b"GET /moved/x ")
    assert report.changes["routes"] == {"added": ["new"], "removed": ["old"], "changed": ["kept"]}


async def test_a_call_survives_the_end_of_its_route_and_upstream(tmp_path: Path) -> None:
    slow = Slow()
    async with reloading(tmp_path, slow) as (place, _), RawUpstream(OK) as other, place.caller() as caller:
        await caller.send(get("/slow"))
        await slow.asked.wait()
        place.document["upstreams"] = {"other": {"targets": [f"http://127.0.0.1:{other.port}"]}}
        place.document["routes"] = [place.route("new", "/new", upstream="other")]
        await place.reloaded()
        assert await place.status(get("/new")) == 200
        assert await place.status(get("/slow")) == 404
        slow.go.set()
        assert (await caller.recv_response("GET")).status == 200
        await caller.send(get("/slow"))
        assert (await caller.recv_response("GET")).status == 404


async def test_a_new_certificate_is_for_new_handshakes(tmp_path: Path) -> None:
    async with reloading(tmp_path) as (place, _), place.caller() as old:
        assert old.tls is not None
        before = old.tls.getpeercert(binary_form=True)
        place.replace(AUTHORITY.issue(["localhost"]))
        report = await place.reloaded()
        assert report.changes == {"listeners": {"changed": ["in"]}}
        async with place.caller() as new:
            assert new.tls is not None
            assert new.tls.getpeercert(binary_form=True) != before
        await old.send(get())
        response = await old.recv_response("GET")
        assert response.status == 200
        assert response.headers("Connection") == []


async def test_a_listener_is_added_and_another_moved(tmp_path: Path) -> None:
    async with reloading(tmp_path) as (place, _), place.caller() as old:
        before, port = place.port(), free_port()
        place.document["listeners"] = {"in": place.listener(port), "two": place.listener()}
        place.document["routes"] = [place.route("one", "/", listener="in"), place.route("two", "/", listener="two")]
        await place.reloaded()
        assert place.port() == port
        assert (await place.status(), await place.status(listener="two")) == (200, 200)
        async with asyncio.timeout(PATIENCE):
            assert await old.recv_until_close() == b""
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", before)


async def test_a_removed_listener_drains_and_disturbs_no_other(tmp_path: Path) -> None:
    slow = Slow()

    def two(place: Place) -> None:
        place.document["listeners"]["two"] = place.listener()
        place.document["routes"] = [place.route("one", "/", listener="in"), place.route("two", "/", listener="two")]

    async with reloading(tmp_path, slow, two) as (place, _), place.caller() as stays, place.caller("two") as leaves:
        await leaves.send(get())
        await slow.asked.wait()
        del place.document["listeners"]["two"], place.document["routes"][1]
        await place.reloaded()
        slow.go.set()
        last = await leaves.recv_response("GET")
        assert (last.status, last.headers("Connection")) == (200, [b"close"])
        await stays.send(get())
        assert (await stays.recv_response("GET")).headers("Connection") == []


async def test_a_renamed_listener_keeps_its_connections(tmp_path: Path) -> None:
    port = free_port()

    def bound(place: Place) -> None:
        place.document["listeners"]["in"] = place.listener(port)

    async with reloading(tmp_path, change=bound) as (place, _):
        async with place.caller() as caller:
            place.document["listeners"] = {"out": place.listener(port)}
            await place.reloaded()
            await caller.send(get())
            assert (await caller.recv_response("GET")).status == 200
        assert await place.status(listener="out") == 200


async def test_the_ca_of_an_upstream_is_replaced(tmp_path: Path) -> None:
    later = Authority.create("Later CA")
    async with reloading(tmp_path, tls=server_context(later.issue())) as (place, _):
        assert await place.status() == 502
        later.write_ca(tmp_path)
        report = await place.reloaded()
        assert report.changes == {"upstreams": {"changed": ["back"]}}
        assert await place.status() == 200


async def test_the_key_of_a_caller_is_rotated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLD_KEY", "the-old-key-of-fno")
    monkeypatch.setenv("NEW_KEY", "the-new-key-of-fno")

    def guarded(place: Place) -> None:
        place.document["callers"] = {"fno": {"type": "api_key", "key": "env:OLD_KEY"}}
        place.document["routes"] = [place.route("all", "/", callers=["fno"])]

    async def both(place: Place) -> tuple[int, int]:
        return (
            await place.status(get("/", "X-Api-Key: the-old-key-of-fno")),
            await place.status(get("/", "X-Api-Key: the-new-key-of-fno")),
        )

    async with reloading(tmp_path, change=guarded) as (place, _):
        assert await both(place) == (200, 401)
        place.document["callers"]["fno"]["key"] = "env:NEW_KEY"
        await place.reloaded()
        assert await both(place) == (401, 200)


async def test_the_pfx_of_a_client_certificate_is_replaced_without_being_asked(tmp_path: Path) -> None:
    identities = [AUTHORITY.issue_client("one"), AUTHORITY.issue_client("two")]
    context = server_context(AUTHORITY.issue(), client_ca=AUTHORITY.ca_pem)

    def shows(place: Place) -> None:
        (place.base / "client.pem").write_text(identities[0].chain_pem + identities[0].key_pem)
        place.document["reload"] = {"interval": "100ms"}
        credentials = {"type": "client_certificate", "certificate": "file:client.pem"}
        place.document["routes"] = [place.route("all", "/", credentials=credentials)]

    def serial(upstream: RawUpstream) -> int:
        tls = upstream.connections[-1].tls
        assert tls is not None
        shown: Any = tls.getpeercert()
        return int(shown["serialNumber"], 16)

    async with reloading(tmp_path, change=shows, tls=context) as (place, upstream):
        assert await place.status() == 200
        assert serial(upstream) == identities[0].certificate.serial_number
        (tmp_path / "client.pem").write_text(identities[1].chain_pem + identities[1].key_pem)
        async with asyncio.timeout(PATIENCE):
            while await place.metric('broker_config_reload_total{outcome="success"}') < 2:
                await asyncio.sleep(0.05)
        assert await place.status() == 200
        assert serial(upstream) == identities[1].certificate.serial_number


@pytest.mark.parametrize("named", ["routes.yaml", "server.crt"])
async def test_a_changed_file_is_acted_on(tmp_path: Path, named: str) -> None:
    async with reloading(tmp_path, change=lambda p: p.document.update(reload={"interval": "50ms"})) as (place, _):
        before = await place.metric("broker_config_last_reload_success_timestamp_seconds")
        if named == "server.crt":
            place.replace(AUTHORITY.issue(["localhost"]))
        else:
            place.document["routes"] = [place.route("other", "/other")]
            place.write()
        async with asyncio.timeout(PATIENCE):
            while await place.metric("broker_config_last_reload_success_timestamp_seconds") == before:
                await asyncio.sleep(0.05)
        assert await place.status(get("/other")) == 200


async def test_connections_and_counts_of_an_unchanged_upstream_go_on(tmp_path: Path) -> None:
    async with reloading(tmp_path) as (place, up):
        for index in range(5):
            assert await place.status() == 200
            place.document["routes"].append(place.route(f"more{index}", f"/more{index}"))
            await place.reloaded()
        assert await place.status() == 200
        assert len(up.connections) == 1
        place.document["upstreams"]["back"]["timeouts"] = {"connect": "4s"}
        await place.reloaded()
        assert await place.status() == 200
        async with asyncio.timeout(PATIENCE):
            while up.connections[0].open:
                await asyncio.sleep(0.01)
        assert await place.metric('broker_requests_total{method="GET",route="all",status="200"}') == 7


async def test_another_client_ca_ends_connections_with_their_next_answer(tmp_path: Path) -> None:
    async with reloading(tmp_path) as (place, _), place.caller() as caller:
        place.document["listeners"]["in"] = place.listener(client_ca="ca.crt", mtls="optional")
        await place.reloaded()
        await caller.send(get())
        assert (await caller.recv_response("GET")).headers("Connection") == [b"close"]


async def test_what_is_asked_for_during_a_reload_is_answered_by_one_more(tmp_path: Path) -> None:
    async with reloading(tmp_path) as (place, _):
        asked = [place.app.reload(f"test {index}") for index in range(3)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        asked += [place.app.reload(f"later {index}") for index in range(3)]
        reports: list[Any] = await asyncio.gather(*(one for one in asked if one is not None))
    assert [report.trigger for report in reports] == ["test 0, test 1, test 2"] * 3 + ["later 0, later 1, later 2"] * 3


async def test_a_shorter_interval_counts_from_the_reload_on(tmp_path: Path) -> None:
    async with reloading(tmp_path, change=lambda p: p.document.update(reload={"interval": "1h"})) as (place, _):
        await asyncio.sleep(0)
        place.document["reload"] = {"interval": "50ms"}
        await place.reloaded()
        place.document["routes"] = [place.route("other", "/other")]
        place.write()
        async with asyncio.timeout(PATIENCE):
            while await place.status(get("/x")) != 404:
                await asyncio.sleep(0.05)
