"""Azure Key Vault through the SDK: challenges, identities, versions and refusals."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from secret_stores import MakeStore, ref, until

from broker.core.secret import SecretPending
from broker.testing.pki import Authority
from broker.testing.secrets.key_vault import TENANT, FakeKeyVault

PASSWORD = ref("keyvault:prod/sql-password")
CLIENT_SECRET = {
    "type": "client_secret",
    "tenant_id": TENANT,
    "client_id": "broker",
    "client_secret": "file:client-secret",
}


def settings(vault: FakeKeyVault, ca: str, credential: Any = CLIENT_SECRET, **more: Any) -> dict[str, Any]:
    found = {"url": vault.url, "authority": vault.authority, "ca": ca, "verify_challenge": False}
    return {"keyvault": {**found, "credential": credential, **more}}


@pytest.fixture(autouse=True)
def filled(key_vault: FakeKeyVault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "client-secret").write_text(key_vault.client_secret)
    key_vault.secrets["sql-password"] = ["pw-1"]
    for name in ("CLIENT_ID", "CLIENT_SECRET", "TENANT_ID", "FEDERATED_TOKEN_FILE"):
        monkeypatch.delenv(f"AZURE_{name}", raising=False)


async def test_a_challenge_leads_to_a_token_and_to_the_newest_version(
    key_vault: FakeKeyVault, ca: str, make_store: MakeStore
) -> None:
    key_vault.secrets["sql-password"] = ["pw-0", "pw-1"]
    first = ref(f"keyvault:prod/sql-password/{key_vault.version('sql-password', 0)}")
    store = make_store(settings(key_vault, ca), refresh=60)
    await store.start([PASSWORD, first])
    assert (store.resolve(PASSWORD).reveal(), store.resolve(first).reveal()) == (b"pw-1", b"pw-0")
    assert key_vault.count(f"POST /{TENANT}/oauth2/v2.0/token") >= 1
    assert (b"client-secret-1", None) in store.told


async def test_a_new_version_is_seen(key_vault: FakeKeyVault, ca: str, make_store: MakeStore) -> None:
    store = make_store(settings(key_vault, ca))
    await store.start([PASSWORD])
    key_vault.secrets["sql-password"].append("pw-2")
    await until(lambda: store.resolve(PASSWORD).reveal() == b"pw-2")
    assert (store.source(PASSWORD).version, store.told[-1]) == (2, (b"pw-2", b"pw-1"))


async def test_a_workload_identity_shows_the_token_of_the_pod(
    key_vault: FakeKeyVault, ca: str, make_store: MakeStore, tmp_path: Path
) -> None:
    (tmp_path / "federated").write_text(key_vault.assertion)
    identity = {
        "type": "workload_identity",
        "tenant_id": TENANT,
        "client_id": "broker",
        "token_file": str(tmp_path / "federated"),
    }
    store = make_store(settings(key_vault, ca, identity))
    await store.start([PASSWORD])
    assert store.resolve(PASSWORD).reveal() == b"pw-1"


async def test_a_managed_identity_asks_where_it_runs(
    key_vault: FakeKeyVault, ca: str, make_store: MakeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"{key_vault.url}/msi/token")
    monkeypatch.setenv("IDENTITY_HEADER", key_vault.identity_header)
    store = make_store(settings(key_vault, ca, "managed_identity"))
    await store.start([PASSWORD])
    assert store.resolve(PASSWORD).reveal() == b"pw-1"
    assert key_vault.count("GET /msi/token") == 1


async def test_the_default_takes_what_the_environment_offers(
    key_vault: FakeKeyVault, ca: str, make_store: MakeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("CLIENT_ID", "b"), ("CLIENT_SECRET", key_vault.client_secret), ("TENANT_ID", TENANT)):
        monkeypatch.setenv(f"AZURE_{name}", value)
    store = make_store(settings(key_vault, ca, "default"))
    await store.start([PASSWORD])
    assert store.resolve(PASSWORD).reveal() == b"pw-1"


async def test_a_rotated_client_secret_is_picked_up(
    key_vault: FakeKeyVault, ca: str, make_store: MakeStore, tmp_path: Path
) -> None:
    store = make_store(settings(key_vault, ca))
    await store.start([PASSWORD])
    key_vault.client_secret = "client-secret-2"
    key_vault.tokens.clear()
    await until(lambda: store.counts.get(("keyvault", "failed"), 0) >= 1)
    (tmp_path / "client-secret").write_text("client-secret-2")
    key_vault.secrets["sql-password"].append("pw-2")
    await until(lambda: store.resolve(PASSWORD).reveal() == b"pw-2")


async def test_a_vault_may_ask_for_tokens_of_its_own_domain_only(
    key_vault: FakeKeyVault, ca: str, make_store: MakeStore
) -> None:
    store = make_store(settings(key_vault, ca, verify_challenge=True))
    await store.start([PASSWORD])
    with pytest.raises(SecretPending, match="token of another domain"):
        store.resolve(PASSWORD)
    assert key_vault.tokens == set()


@pytest.mark.parametrize(("status", "reason"), [(0, "cannot be reached"), (500, "status 500"), (429, "status 429")])
async def test_an_outage_keeps_the_last_value_and_is_told_once(
    key_vault: FakeKeyVault, ca: str, make_store: MakeStore, caplog: pytest.LogCaptureFixture, status: int, reason: str
) -> None:
    caplog.set_level("INFO")
    store = make_store(settings(key_vault, ca))
    await store.start([PASSWORD])
    key_vault.down = status
    await until(lambda: store.counts.get(("keyvault", "failed"), 0) >= 2, 30)
    assert store.resolve(PASSWORD).reveal() == b"pw-1"
    key_vault.down = None
    key_vault.secrets["sql-password"].append("pw-2")
    await until(lambda: store.resolve(PASSWORD).reveal() == b"pw-2", 30)
    assert [vars(record).get("event") for record in caplog.records] == [
        "secrets_down",
        "secrets_back",
        "secret_rotated",
    ]
    assert reason in vars(caplog.records[0])["cause"]


@pytest.mark.parametrize(
    ("forbidden", "name", "reason"), [("sql-password", "sql-password", "denies"), ("", "none", "no such secret")]
)
async def test_what_a_vault_does_not_give_is_said(
    key_vault: FakeKeyVault, ca: str, make_store: MakeStore, forbidden: str, name: str, reason: str
) -> None:
    key_vault.forbidden.add(forbidden)
    store = make_store(settings(key_vault, ca))
    wanted = ref(f"keyvault:prod/{name}")
    await store.start([wanted])
    with pytest.raises(SecretPending, match=f"^{wanted}: .*{reason}"):
        store.resolve(wanted)


async def test_a_vault_whose_certificate_is_not_trusted_gets_no_token(
    key_vault: FakeKeyVault, make_store: MakeStore, tmp_path: Path
) -> None:
    other = Authority.create("Other CA").write_ca(tmp_path, "other.crt")
    store = make_store(settings(key_vault, str(other)))
    await store.start([PASSWORD])
    with pytest.raises(SecretPending, match="cannot be reached"):
        store.resolve(PASSWORD)
    assert key_vault.log == []


async def test_a_hundred_renewals_at_once_are_one_request(
    key_vault: FakeKeyVault, ca: str, make_store: MakeStore
) -> None:
    store = make_store(settings(key_vault, ca), refresh=60, renew_gap=60)
    await store.start([PASSWORD])
    source = store.source(PASSWORD)
    before = key_vault.count("GET /secrets/sql-password")
    key_vault.secrets["sql-password"].append("pw-2")
    assert await asyncio.gather(*(source.renew() for _ in range(100))) == [True] * 100
    assert key_vault.count("GET /secrets/sql-password") == before + 1
    assert await source.renew() is False
    assert await source.renew(seen=1) is True
    assert key_vault.count("GET /secrets/sql-password") == before + 1


async def test_who_gives_up_a_renewal_does_not_take_it_from_others(
    key_vault: FakeKeyVault, ca: str, make_store: MakeStore
) -> None:
    store = make_store(settings(key_vault, ca), refresh=60)
    await store.start([PASSWORD])
    source = store.source(PASSWORD)
    key_vault.secrets["sql-password"].append("pw-2")
    key_vault.stalled.clear()
    first, second = asyncio.create_task(source.renew()), asyncio.create_task(source.renew())
    await asyncio.sleep(0.05)
    first.cancel()
    key_vault.stalled.set()
    assert await second is True
