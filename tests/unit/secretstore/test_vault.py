"""HashiCorp Vault through hvac: logins, both versions of KV, leases, seals and refusals."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from secret_stores import MakeStore, ref, until

from broker.core.secret import SecretPending
from broker.testing.secrets.vault import FakeVault

PASSWORD = ref("vault:kv/warehouse/sql#password")
USER = ref("vault:kv/warehouse/sql#user")
OLD = ref("vault:old/scales#pin")
MADE_USER = ref("vault:database/creds/app#username")
MADE_PASSWORD = ref("vault:database/creds/app#password")
KV = "GET /v1/kv/data/warehouse/sql"


def settings(vault: FakeVault, ca: str, **more: Any) -> dict[str, Any]:
    auth = {"type": "approle", "role_id": "role-1", "secret_id": "env:UNIT_SECRET_ID"}
    return {"vault": {"address": vault.url, "ca": ca, "auth": auth, **more}}


@pytest.fixture(autouse=True)
def filled(vault: FakeVault, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNIT_SECRET_ID", vault.secret_id)
    monkeypatch.setenv("VAULT_TOKEN", "somebody-else's")
    vault.kv["kv/warehouse/sql"] = {"user": "wms", "password": "pw-1"}
    vault.kv["old/scales"] = {"pin": "pin-1"}


async def test_approle_reads_both_versions_of_kv_once_for_each_path(
    vault: FakeVault, ca: str, make_store: MakeStore
) -> None:
    store = make_store(settings(vault, ca), refresh=60)
    await store.start([PASSWORD, USER, OLD])
    assert [store.resolve(one).reveal() for one in (PASSWORD, USER, OLD)] == [b"pw-1", b"wms", b"pin-1"]
    assert (vault.count(KV), vault.count("GET /v1/old/scales"), vault.count("POST /v1/auth/approle/login")) == (1, 1, 1)
    told = [new for new, _ in store.told]
    assert {b"secret-id-1", b"hvs.token-1", b"pw-1"} <= set(told)


async def test_a_rotated_pair_changes_in_one_step(vault: FakeVault, ca: str, make_store: MakeStore) -> None:
    store = make_store(settings(vault, ca))
    await store.start([PASSWORD, USER])
    source = store.source(PASSWORD)
    vault.kv["kv/warehouse/sql"] = {"user": "wms2", "password": "pw-2"}
    await until(lambda: source.version == 2)
    assert (store.resolve(USER).reveal(), store.resolve(PASSWORD).reveal()) == (b"wms2", b"pw-2")
    assert (b"pw-2", b"pw-1") in store.told


async def test_kubernetes_logs_in_with_the_token_of_the_pod(
    vault: FakeVault, ca: str, make_store: MakeStore, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text(vault.jwt + "\n")
    auth = {"type": "kubernetes", "role": "broker", "token_file": str(tmp_path / "token")}
    vault.namespace = "team-a"
    store = make_store(settings(vault, ca, auth=auth, namespace="team-a"))
    await store.start([OLD])
    assert store.resolve(OLD).reveal() == b"pin-1"
    assert vault.count("POST /v1/auth/kubernetes/login") == 1


async def test_a_given_token_is_renewed_before_it_ends(
    vault: FakeVault, ca: str, make_store: MakeStore, tmp_path: Path
) -> None:
    (tmp_path / "vault-token").write_text(vault.grant(ttl=3) + "\n")
    auth = {"type": "token", "token": "file:vault-token"}
    store = make_store(settings(vault, ca, auth=auth), refresh=3600)
    await store.start([OLD])
    await until(lambda: vault.count("POST /v1/auth/token/renew-self") >= 1)
    assert store.counts.get(("vault", "failed")) is None


async def test_a_token_at_its_greatest_age_is_got_anew(vault: FakeVault, ca: str, make_store: MakeStore) -> None:
    vault.token_ttl = vault.token_max = 1.5
    store = make_store(settings(vault, ca))
    await store.start([OLD])
    await until(lambda: vault.count("POST /v1/auth/approle/login") >= 3)
    assert store.counts.get(("vault", "failed")) is None


async def test_a_revoked_token_is_noticed_and_a_forbidden_path_costs_no_login(
    vault: FakeVault, ca: str, make_store: MakeStore
) -> None:
    store = make_store(settings(vault, ca))
    await store.start([PASSWORD, OLD])
    vault.tokens.clear()
    vault.kv["kv/warehouse/sql"] = {"password": "pw-2"}
    await until(lambda: store.resolve(PASSWORD).reveal() == b"pw-2")
    logins = vault.count("POST /v1/auth/approle/login")
    vault.forbidden.add("old/scales")
    await until(lambda: store.counts.get(("vault", "failed"), 0) >= 3)
    assert vault.count("POST /v1/auth/approle/login") == logins
    assert store.resolve(OLD).reveal() == b"pin-1"


async def test_leased_secrets_are_one_pair_and_their_lease_is_renewed(
    vault: FakeVault, ca: str, make_store: MakeStore
) -> None:
    vault.lease_ttl = 1.0
    store = make_store(settings(vault, ca))
    await store.start([MADE_USER, MADE_PASSWORD])
    user, password = (store.resolve(one).reveal().decode() for one in (MADE_USER, MADE_PASSWORD))
    assert user.removeprefix("v-user-") == password.removeprefix("made-")
    await until(lambda: vault.count("PUT /v1/sys/leases/renew") >= 2)
    assert vault.count("GET /v1/database/creds/app") == 1


async def test_a_lease_at_its_end_makes_way_for_a_new_one(vault: FakeVault, ca: str, make_store: MakeStore) -> None:
    vault.lease_ttl = vault.lease_max = 1.0
    store = make_store(settings(vault, ca))
    await store.start([MADE_PASSWORD])
    source, first = store.source(MADE_PASSWORD), store.resolve(MADE_PASSWORD)
    await until(lambda: source.version >= 2)
    assert source.current() != first
    assert store.counts.get(("vault", "failed")) is None


async def test_renew_makes_a_new_leased_secret(vault: FakeVault, ca: str, make_store: MakeStore) -> None:
    store = make_store(settings(vault, ca))
    await store.start([MADE_PASSWORD])
    assert await store.source(MADE_PASSWORD).renew() is True
    assert vault.count("GET /v1/database/creds/app") == 2


async def test_a_seal_keeps_the_last_values_and_is_told_once(
    vault: FakeVault, ca: str, make_store: MakeStore, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "broker")
    store = make_store(settings(vault, ca))
    await store.start([PASSWORD, OLD])
    vault.down = 503
    await until(lambda: store.counts.get(("vault", "failed"), 0) >= 6)
    assert store.resolve(PASSWORD).reveal() == b"pw-1"
    vault.down = None
    vault.kv["kv/warehouse/sql"] = {"password": "pw-2"}
    await until(lambda: store.resolve(PASSWORD).reveal() == b"pw-2")
    events = [record.event for record in caplog.records if hasattr(record, "event")]
    assert events == ["secrets_down", "secrets_back", "secret_rotated"]
    assert "sealed" in str(vars(caplog.records[0])["cause"])
    assert not any("pw-" in str(vars(record)) for record in caplog.records)


@pytest.mark.parametrize(
    ("status", "reason"), [(0, "cannot be reached"), (429, "limits the rate"), (500, "failed"), (503, "sealed")]
)
async def test_a_vault_that_is_down_at_the_start_comes_later(
    vault: FakeVault, ca: str, make_store: MakeStore, status: int, reason: str
) -> None:
    vault.down = status
    store = make_store(settings(vault, ca))
    await store.start([PASSWORD])
    with pytest.raises(SecretPending, match=f"^{PASSWORD}: .*{reason}"):
        store.resolve(PASSWORD)
    vault.down = None
    await until(lambda: store.source(PASSWORD).version == 1)


async def test_a_vault_that_hangs_holds_up_neither_the_start_nor_the_loop(
    vault: FakeVault, ca: str, make_store: MakeStore
) -> None:
    vault.stalled.clear()
    store = make_store(settings(vault, ca), timeout=0.3)
    starting = asyncio.create_task(store.start([PASSWORD]))
    turns = 0
    while not starting.done():
        await asyncio.sleep(0.01)
        turns += 1
    assert turns > 10
    with pytest.raises(SecretPending, match="no answer"):
        store.resolve(PASSWORD)
    vault.stalled.set()


@pytest.mark.parametrize(
    ("reference", "reason"),
    [
        ("vault:kv/warehouse/sql#none", "no text under this key"),
        ("vault:kv/nothing#a", "nothing is there"),
        ("vault:old/nothing#a", "nothing is there"),
        ("vault:strange/x#a", "nothing is mounted there"),
    ],
)
async def test_what_is_not_in_vault_is_said_without_values(
    vault: FakeVault, ca: str, make_store: MakeStore, reference: str, reason: str
) -> None:
    store = make_store(settings(vault, ca))
    await store.start([ref(reference)])
    with pytest.raises(SecretPending, match=reason):
        store.resolve(ref(reference))


async def test_a_refused_login_is_said_and_a_rotated_secret_id_mends_it(
    vault: FakeVault, ca: str, make_store: MakeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault.secret_id = "secret-id-2"
    store = make_store(settings(vault, ca))
    await store.start([PASSWORD])
    with pytest.raises(SecretPending, match=r"refuses the login \(approle\)"):
        store.resolve(PASSWORD)
    monkeypatch.setenv("UNIT_SECRET_ID", "secret-id-2")
    await until(lambda: store.source(PASSWORD).version == 1)


async def test_a_certificate_that_is_not_trusted_is_refused(vault: FakeVault, make_store: MakeStore) -> None:
    described = settings(vault, "")
    del described["vault"]["ca"]
    store = make_store(described)
    await store.start([PASSWORD])
    with pytest.raises(SecretPending, match="TLS with Vault failed"):
        store.resolve(PASSWORD)
