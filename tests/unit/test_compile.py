"""A configuration is put to work as a whole, or refused with every reason."""

import asyncio
from base64 import b64encode
from pathlib import Path

import pytest
import yaml

from broker.compile import Compiled, CompileError, compile_config
from broker.compile_upstream import review_timestamp, upstream_settings
from broker.config.load import load
from broker.core.alarms import AlarmWheel
from broker.testing.pki import Authority
from broker.upstream.authenticated import AuthenticatedUpstream
from broker.upstream.idempotent import IdempotentUpstream

AUTHORITY = Authority.create()


async def compiled(path: Path) -> Compiled:
    return compile_config(load(path), AlarmWheel(asyncio.get_running_loop()))


async def test_a_route_becomes_a_plan(unit_routes: Path) -> None:
    plan = next(plan for plan in (await compiled(unit_routes)).plans if plan.name == "soap")
    assert (plan.match_path, plan.replace_path) == (b"/warehouse/quote.asmx", b"/Quote.asmx")
    assert isinstance(plan.upstream, IdempotentUpstream)
    assert isinstance(plan.upstream.inner, AuthenticatedUpstream)
    assert plan.dropped == {b"x-api-key", b"authorization"}


async def test_no_repr_shows_a_secret(unit_routes: Path) -> None:
    made = await compiled(unit_routes)
    text = repr(made) + repr(made.plans)
    for value in (b"key-of-the-caller", b"legacy-pa55", b"wms:legacy-pa55"):
        assert value.decode() not in text
        assert b64encode(value).decode() not in text


async def test_every_secret_is_remembered_for_masking(unit_routes: Path) -> None:
    values = {secret.reveal() for secret in (await compiled(unit_routes)).secrets}
    assert values >= {b"key-of-the-caller", b"wms", b"legacy-pa55"}


async def test_every_missing_secret_is_a_reason(unit_routes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("UNIT_KEY")
    monkeypatch.delenv("UNIT_PASSWORD")
    with pytest.raises(CompileError) as caught:
        await compiled(unit_routes)
    assert [reason.partition(": ")[0] for reason in caught.value.reasons] == [
        "callers.fno-dev",
        "routes.soap.credentials",
    ]


async def test_routes_share_the_upstream_they_name(unit_routes: Path) -> None:
    made = await compiled(unit_routes)
    called = {id(getattr(plan.upstream, "upstream", plan.upstream)) for plan in made.plans}
    assert called == {id(made.upstreams["warehouse"])}


def test_only_modern_servers_must_say_close_notify(unit_routes: Path) -> None:
    assert not upstream_settings(load(unit_routes).upstreams["warehouse"]).require_close_notify
    unit_routes.write_text(unit_routes.read_text().replace("profile: legacy", "profile: modern"))
    assert upstream_settings(load(unit_routes).upstreams["warehouse"]).require_close_notify


def test_the_day_of_review_is_midnight_utc(unit_routes: Path) -> None:
    assert review_timestamp(load(unit_routes).upstreams["warehouse"]) == 1814313600


@pytest.mark.parametrize(
    ("given", "shares"),
    [
        ([None, None], []),
        (["low", "low"], []),
        (["medium", "low"], ["low"]),
        (["high", "low"], ["low"]),
        (["high", None, "low"], ["low", "medium"]),
    ],
)
async def test_only_who_has_somebody_above_leaves_some_of_the_rate(
    tmp_path: Path, given: list[str | None], shares: list[str]
) -> None:
    AUTHORITY.issue().write(tmp_path, "server")
    certificates = [{"chain": "server.crt", "key": "server.key"}]
    routes = [
        {"name": f"r{at}", "match": {"path": f"/{at}/"}, "callers": "public", "upstream": "back", "priority": priority}
        for at, priority in enumerate(given)
    ]
    document = {
        "version": 1,
        "listeners": {"in": {"bind": "127.0.0.1:0", "tls": {"certificates": certificates}}},
        "upstreams": {"back": {"targets": ["http://127.0.0.1:9"], "rate": "10/s"}},
        "routes": routes,
    }
    path = tmp_path / "routes.yaml"
    path.write_text(yaml.safe_dump(document))
    buckets = (await compiled(path)).registry.buckets
    assert sorted(name[1] for name in buckets if name[0] == "share") == shares
