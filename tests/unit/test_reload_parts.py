"""The parts of a reload, each by itself."""

import gc
import os
from pathlib import Path
from typing import Any

import pytest

from broker.collector import Tidy
from broker.config.load import parse_config
from broker.config.secret_ref import SecretRef
from broker.core.secret import Secret, SecretUnavailable
from broker.credentials.oauth2_shared import TokenStore
from broker.observe.tally import KEPT_AFTER, Tallies
from broker.reload_changes import in_words
from broker.reload_files import files_of, stamp
from broker.secretstore.store import SecretStore


def test_a_stamp_follows_links(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
    (tmp_path / "data").symlink_to("one")
    (tmp_path / "file").symlink_to("data/file")
    before = stamp(tmp_path / "file")
    (tmp_path / "other").symlink_to("two")
    os.replace(tmp_path / "other", tmp_path / "data")  # noqa: PTH105
    assert stamp(tmp_path / "file") != before
    assert stamp(tmp_path / "none") is None


def test_every_file_that_is_named_is_found(tmp_path: Path) -> None:
    text = """
version: 1
listeners: {in: {bind: "127.0.0.1:0", tls: {certificates: [{chain: a.crt, key: a.key}], client_ca: b.crt}}}
upstreams:
  back:
    targets: ["https://x"]
    tls: {ca: c.crt, client_certificate: {chain: d.crt, key: d.key}}
callers: {partner: {type: mtls, ca: e.crt}}
routes:
  - name: r
    callers: [partner]
    upstream: back
    credentials:
      {type: oauth2, token_url: "https://x/y", client_id: i, client_secret: "env:X", ca: f.crt}
"""
    found = {path.name for path in files_of(parse_config(text, base=tmp_path))}
    assert found == {"a.crt", "a.key", "b.crt", "c.crt", "d.crt", "d.key", "e.crt", "f.crt"}


def test_changes_are_told_in_one_line() -> None:
    told = {"routes": {"added": ["a", "b"], "changed": ["c"]}, "listeners": {"removed": ["in"]}}
    assert in_words(told) == "routes: added a, b; changed c · listeners: removed in"
    assert in_words({}) == "nothing changed"


def test_counts_of_what_is_gone_stay_for_some_scrapes() -> None:
    tallies = Tallies()
    tallies.route("gone")
    tallies.caller("fno", 200, "")
    tallies.keep({"routes": [], "callers": ["fno"]}, 0.0)
    tallies.keep({"routes": [], "callers": []}, KEPT_AFTER - 1)
    assert set(tallies.routes) == {"-", "gone"}
    tallies.keep({"routes": [], "callers": ["fno"]}, KEPT_AFTER)
    assert set(tallies.routes) == {"-"}
    assert tallies.callers == {("fno", "success"): 1}


def test_counts_of_what_came_back_go_on() -> None:
    tallies = Tallies()
    tally = tallies.route("back")
    for now, names in ((0.0, []), (1.0, ["back"]), (KEPT_AFTER, []), (KEPT_AFTER + 2, [])):
        tallies.keep({"routes": names}, now)
    assert tallies.routes["back"] is tally


async def test_a_store_forgets_what_nobody_names(tmp_path: Path) -> None:
    for name in ("one", "two", "same"):
        (tmp_path / name).write_text("shared-value" if name != "one" else "value-of-one")
    retired: list[Secret] = []
    config = parse_config(MINIMAL, base=tmp_path).secrets
    store = SecretStore(config.model_copy(update={"files": tmp_path}), retired=retired.append)
    references = [SecretRef("file", name) for name in ("one", "two", "same")]
    await store.start(references)
    try:
        source = store.source(references[0])
        store.retain(references[1:])
        assert retired == [Secret(b"value-of-one")]
        assert source.current() == Secret(b"value-of-one")
        store.retain(references[2:])
        assert retired == [Secret(b"value-of-one")]
        await store.follow(references)
        assert store.resolve(references[0]) == Secret(b"value-of-one")
        with pytest.raises(SecretUnavailable):
            store.resolve(SecretRef("file", "none"))
    finally:
        await store.close()


MINIMAL = """
version: 1
listeners: {in: {bind: "127.0.0.1:0", tls: {certificates: [{chain: a.crt, key: a.key}]}}}
upstreams: {back: {targets: ["http://x"]}}
routes: [{name: r, callers: public, upstream: back}]
"""


class _Issuer:
    type = name = "test"

    def __init__(self) -> None:
        self.closed = False

    async def grant(self, *, fresh: bool) -> Any:
        raise NotImplementedError

    async def close(self) -> None:
        self.closed = True


async def test_tokens_go_on_and_count_for_a_route_that_is_there() -> None:
    before, issuers = TokenStore(), {key: _Issuer() for key in "ab"}
    kept, dropped = (before.share(key, f"old-{key}", lambda key=key: issuers[key]) for key in "ab")
    after = TokenStore(before=before)
    assert after.share("a", "new-a", _Issuer) is kept
    assert kept.route == "old-a"
    after.settle()
    await before.close_others(after)
    assert (kept.route, [issuers[key].closed for key in "ab"]) == ("new-a", [False, True])
    assert list(after) == [kept]
    assert dropped not in set(after)


async def test_cycles_that_were_frozen_are_collected() -> None:
    class Node:
        alive = 0

        def __init__(self) -> None:
            Node.alive += 1
            self.me = self

        def __del__(self) -> None:
            Node.alive -= 1

    node = Node()
    gc.freeze()
    try:
        del node
        gc.collect()
        assert Node.alive == 1
        tidy = Tidy()
        tidy.soon()
        tidy.soon()
        tidy.now()
        assert Node.alive == 0
    finally:
        gc.unfreeze()
