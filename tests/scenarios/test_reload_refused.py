"""A file that cannot be put to work changes nothing, and everybody is told why."""

import json
import logging
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from scenario_reload import AUTHORITY, Place, get, reloading

Break = Callable[[Place], str | None]
"""Breaks the document; returns the text where it is no document any more."""


def broken_yaml(_: Place) -> str:
    return "version: 1\nlisteners: [\n"


def empty(_: Place) -> str:
    return ""


def unknown_key(place: Place) -> None:
    place.document["upstreams"]["back"]["tagrets"] = []


def missing_certificate(place: Place) -> None:
    place.document["listeners"]["in"]["tls"]["certificates"][0]["chain"] = "none.crt"


def missing_secret(place: Place) -> None:
    place.document["callers"] = {"fno": {"type": "api_key", "key": "env:NOT_THERE"}}
    place.document["routes"] = [place.route("all", "/", callers=["fno"])]


def missing_ca(place: Place) -> None:
    place.document["upstreams"]["back"] = {"targets": ["https://127.0.0.1:9"], "tls": {"ca": "none.crt"}}


def no_identity(place: Place) -> None:
    (place.base / "client.pem").write_text("no identity at all")
    place.document["upstreams"]["back"] = {"targets": ["https://127.0.0.1:9"], "tls": {"ca": "ca.crt"}}
    place.document["routes"][0]["credentials"] = {"type": "client_certificate", "certificate": "file:client.pem"}


BREAKS: dict[Break, tuple[str, str]] = {
    broken_yaml: ("", "not valid YAML"),
    empty: ("", "the file is empty"),
    unknown_key: ("upstreams.back.tagrets", "unknown key"),
    missing_certificate: ("listeners.in.tls.certificates[0].chain", "cannot be read"),
    missing_secret: ("callers.fno", "env:NOT_THERE"),
    missing_ca: ("upstreams.back.tls.ca", "cannot be read"),
    no_identity: ("routes[0].credentials", "file:client.pem"),
}


@pytest.mark.parametrize("spoil", BREAKS, ids=lambda spoil: spoil.__name__)
async def test_nothing_changes_and_the_reason_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, spoil: Break
) -> None:
    where, what = BREAKS[spoil]
    async with reloading(tmp_path) as (place, upstream), place.caller() as caller:
        good = yaml.safe_dump(place.document)
        loaded = await place.metric("broker_config_last_reload_success_timestamp_seconds")
        report = await place.reload(spoil(place))
        assert report.outcome == "failure"
        (fault,) = report.faults
        file, line, rest = fault.split(":", 2)
        assert (file, int(line) > 0) == (str(place.path), True)
        assert rest.startswith(f" {where}")
        assert what in rest
        told = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
        assert told == [fault, "not reloaded; what ran before goes on"]
        assert await place.metric('broker_config_reload_total{outcome="failure"}') == 1
        assert await place.metric("broker_config_last_reload_successful") == 0
        assert await place.metric("broker_config_last_reload_success_timestamp_seconds") == loaded
        status = json.loads((await place.admin("/config"))[1])
        assert status["file"] == str(place.path)
        assert (status["last_reload"]["outcome"], status["last_reload"]["faults"]) == ("failure", [fault])
        await caller.send(get())
        assert (await caller.recv_response("GET")).headers("Connection") == []
        assert await place.status() == 200
        assert len(upstream.connections) == 1
        assert (await place.reload(good)).outcome == "success"
        assert await place.metric("broker_config_last_reload_successful") == 1


async def test_a_port_that_is_taken_leaves_nothing_bound(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, socket.create_server(("127.0.0.1", 0)) as probe:
        free = probe.getsockname()[1]
        probe.close()
        async with reloading(tmp_path) as (place, _):
            place.document["listeners"]["first"] = place.listener(free)
            place.document["listeners"]["second"] = place.listener(taken.getsockname()[1])
            place.document["routes"] = [place.route(name, "/", listener=name) for name in ("in", "first", "second")]
            report = await place.reload()
            (fault,) = report.faults
            assert "listeners.second.bind: cannot listen on" in fault
            assert "in use" in fault
            assert fault.split(":")[1] != "1"
            assert list(place.app.listeners) == ["in"]
            with socket.create_server(("127.0.0.1", free)):
                assert await place.status() == 200


async def test_a_certificate_that_appears_later_is_noticed(tmp_path: Path) -> None:
    import asyncio

    async with reloading(tmp_path, change=lambda p: p.document.update(reload={"interval": "50ms"})) as (place, _):
        place.document["listeners"]["in"]["tls"]["certificates"] = [{"chain": "late.crt", "key": "late.key"}]
        assert (await place.reload()).outcome == "failure"
        place.replace(AUTHORITY.issue(), "late")
        async with asyncio.timeout(10):
            while await place.metric("broker_config_last_reload_successful") == 0:
                await asyncio.sleep(0.05)


async def test_the_admin_api_reloads_and_says_how_that_went(tmp_path: Path) -> None:
    async with reloading(tmp_path) as (place, _):
        place.document["routes"].append(place.route("more", "/more"))
        place.write()
        status, answer = await place.admin("/reload", "POST")
        last = json.loads(answer)["last_reload"]
        assert (status, last["outcome"], last["trigger"]) == (200, "success", "admin")
        assert last["changes"] == {"routes": {"added": ["more"]}}
        place.write("version: 2")
        status, answer = await place.admin("/reload", "POST")
        assert (status, json.loads(answer)["last_reload"]["outcome"]) == (422, "failure")
        assert (await place.admin("/reload"))[0] == 405


async def test_another_admin_address_needs_a_restart(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with reloading(tmp_path) as (place, _):
        place.document["admin"]["bind"] = "127.0.0.1:1"
        await place.reloaded()
        assert "admin.bind: takes effect with a restart" in caplog.text
        assert (await place.admin("/healthz"))[0] == 200


async def test_secrets_never_show(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FNO_KEY", "a-secret-in-the-wrong-place")
    async with reloading(tmp_path) as (place, _):
        place.document["callers"] = {"fno": {"type": "api_key", "key": "env:FNO_KEY"}}
        place.document["routes"] = [place.route("all", "/", callers=["fno"])]
        await place.reloaded()
        place.document["routes"][0]["upstream"] = "a-secret-in-the-wrong-place"
        assert (await place.reload()).outcome == "failure"
        assert "a-secret-in-the-wrong-place" not in (await place.admin("/config"))[1]
