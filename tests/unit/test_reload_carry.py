"""What goes on from one configuration to the next, and what does not."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
import yaml

from broker.compile import compile_config
from broker.compile_carry import Before
from broker.compiled import Compiled
from broker.config.load import load
from broker.core.alarms import AlarmWheel
from broker.reload_changes import changes
from broker.reload_files import digests, files_of
from broker.secretstore.store import SecretStore
from broker.testing.pki import Authority

AUTHORITY = Authority.create()


@pytest.fixture
def document(tmp_path: Path) -> dict[str, Any]:
    """The content of a routes file with one of everything that can go on."""
    AUTHORITY.issue().write(tmp_path, "server")
    AUTHORITY.write_ca(tmp_path)
    (tmp_path / "password").write_text("the-password-of-wms")
    tls = {"certificates": [{"chain": "server.crt", "key": "server.key"}]}
    login = {"type": "digest", "username": "wms", "password": "file:password"}
    return {
        "version": 1,
        "secrets": {"files": "."},
        "listeners": {"in": {"bind": "127.0.0.1:0", "tls": tls}},
        "upstreams": {"back": {"targets": ["https://127.0.0.1:9"], "tls": {"ca": "ca.crt"}, "max_concurrency": 3}},
        "callers": {"fno": {"type": "hmac", "secret": "file:password", "header": "X-Signature"}},
        "routes": [{"name": "all", "callers": ["fno"], "upstream": "back", "credentials": login}],
    }


class Compiler:
    """Compiles a document again and again."""

    def __init__(self, base: Path) -> None:
        self._path = base / "routes.yaml"
        self._store: SecretStore | None = None
        self.last: Compiled | None = None

    def __call__(self, document: dict[str, Any], *, same_secrets: bool = True) -> Compiled:
        self._path.write_text(yaml.safe_dump(document))
        config = load(self._path)
        if self._store is None or not same_secrets:
            self._store = SecretStore(config.secrets)
        before = Before(self.last, digests(files_of(config)), same_secrets)
        self.last = compile_config(config, AlarmWheel(asyncio.get_running_loop()), self._store, before)
        return self.last


@pytest.fixture
def compiled(tmp_path: Path) -> Compiler:
    return Compiler(tmp_path)


async def test_what_did_not_change_goes_on(compiled: Compiler, document: dict[str, Any]) -> None:
    one = compiled(document)
    document["routes"].append({"name": "more", "match": {"path": "/more"}, "callers": "public", "upstream": "back"})
    two = compiled(document)
    assert two.stores["in"] is one.stores["in"]
    assert two.checks["fno"] is one.checks["fno"]
    assert two.slowing["in"] is one.slowing["in"] or not len(one.slowing["in"])
    assert two.upstreams["back"].pools is one.upstreams["back"].pools
    assert two.upstreams["back"].stats is one.upstreams["back"].stats
    assert two.credentialed["all"].injector is one.credentialed["all"].injector
    assert two.registry.bulkheads == one.registry.bulkheads
    assert changes(one, two) == {"routes": {"added": ["more"]}}


async def test_another_content_of_a_file_is_a_change(
    compiled: Compiler, document: dict[str, Any], tmp_path: Path
) -> None:
    one = compiled(document)
    AUTHORITY.issue().write(tmp_path, "server")
    Authority.create().write_ca(tmp_path)
    two = compiled(document)
    assert two.stores["in"] is not one.stores["in"]
    assert set(two.upstreams["back"].pools).isdisjoint(one.upstreams["back"].pools)
    assert two.upstreams["back"].stats is one.upstreams["back"].stats
    assert two.credentialed["all"].injector is not one.credentialed["all"].injector
    assert changes(one, two) == {"listeners": {"changed": ["in"]}, "upstreams": {"changed": ["back"]}}


async def test_limits_of_an_upstream_do_not_touch_its_connections(compiled: Compiler, document: dict[str, Any]) -> None:
    one = compiled(document)
    document["upstreams"]["back"]["max_concurrency"] = 4
    two = compiled(document)
    assert two.upstreams["back"].pools is one.upstreams["back"].pools
    [(before, bulkhead)], [(after, same)] = one.registry.bulkheads.values(), two.registry.bulkheads.values()
    assert same is bulkhead
    assert (before.limit, after.limit, bulkhead.limit) == (3, 4, 3)
    two.registry.apply()
    assert bulkhead.limit == 4


async def test_a_faulty_configuration_leaves_the_running_one_alone(
    compiled: Compiler, document: dict[str, Any]
) -> None:
    one = compiled(document)
    bulkheads, pools = dict(one.registry.bulkheads), list(one.upstreams["back"].all_pools)
    document["upstreams"]["back"]["max_concurrency"] = 9
    document["routes"][0]["credentials"]["password"] = "file:none"
    with pytest.raises(Exception, match="file:none"):
        compiled(document)
    assert one.registry.bulkheads == bulkheads
    assert one.upstreams["back"].all_pools == pools


async def test_signatures_that_were_used_stay_used(compiled: Compiler, document: dict[str, Any]) -> None:
    one: Any = compiled(document).checks["fno"]
    one.replays.seen(b"signature")
    document["callers"]["fno"]["window"] = "20m"
    two: Any = compiled(document).checks["fno"]
    three: Any = compiled(document, same_secrets=False).checks["fno"]
    assert two is not one
    assert three is not two
    assert three.replays.seen(b"signature")


async def test_connections_of_a_route_alone_do_not_pile_up(compiled: Compiler, document: dict[str, Any]) -> None:
    document["routes"][0]["credentials"]["type"] = "ntlm"
    compiled(document)
    for seconds in range(1, 10):
        document["routes"][0]["deadline"] = f"{seconds}s"
        document["routes"][0]["credentials"]["domain"] = f"DOMAIN{seconds // 3}"
        assert len(compiled(document).upstreams["back"].all_pools) == 2


async def test_what_nobody_names_is_let_go_of(compiled: Compiler, document: dict[str, Any]) -> None:
    compiled(document)
    for index in range(20):
        document["routes"][0]["name"] = f"r{index}"
        document["routes"][0]["rate"] = "10/s"
        assert len(compiled(document).registry.buckets) == 1
