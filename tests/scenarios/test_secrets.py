"""Secrets that live: the broker uses what its providers hold now, and shows none of it."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from scenario_secrets import IDENTITY, Place, Upstream, basic

from broker.testing.secrets.key_vault import TENANT, FakeKeyVault
from broker.testing.secrets.vault import FakeVault


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    made = Upstream()
    yield made
    made.server.shutdown()
    made.server.server_close()


Make = Callable[..., Place]


@pytest.fixture
def make(tmp_path: Path, upstream: Upstream) -> Make:
    return lambda reference, secrets=None: Place(tmp_path, upstream, reference, secrets or {})


def mount(base: Path, value: str, number: int) -> None:
    """What the kubelet does to update a mounted secret."""
    (base / "mount" / f"..{number}").mkdir(parents=True)
    (base / "mount" / f"..{number}" / "password").write_text(value)
    (base / "mount" / "..new").symlink_to(f"..{number}")
    (base / "mount" / "..new").replace(base / "mount" / "..data")
    if number == 1:
        (base / "mount" / "password").symlink_to("..data/password")


def vault_settings(vault: FakeVault) -> dict[str, Any]:
    auth = {"type": "approle", "role_id": "role-1", "secret_id": "env:SECRET_ID"}
    return {"vault": {"address": vault.url, "ca": "ca.crt", "auth": auth}}


def azure_settings(vault: FakeKeyVault) -> dict[str, Any]:
    credential = {"type": "client_secret", "tenant_id": TENANT, "client_id": "b", "client_secret": "env:CLIENT_SECRET"}
    found = {"url": vault.url, "authority": vault.url, "ca": "ca.crt", "verify_challenge": False}
    return {"keyvault": {**found, "credential": credential}}


def test_a_mounted_secret_is_rotated_without_a_restart(make: Make, upstream: Upstream, tmp_path: Path) -> None:
    mount(tmp_path, "mounted-pw-1\n", 1)
    with make("file:password") as place:
        place.until_shown(upstream, "mounted-pw-1")
        mount(tmp_path, "mounted-pw-2\n", 2)
        place.until_shown(upstream, "mounted-pw-2")
    assert set(upstream.shown) == {basic("mounted-pw-1"), basic("mounted-pw-2")}
    assert place.kept_quiet("mounted-pw-1", "mounted-pw-2")


def test_a_secret_in_vault_is_rotated_without_a_restart(make: Make, upstream: Upstream) -> None:
    with FakeVault(IDENTITY) as vault:
        vault.kv["kv/wms"] = {"password": "vault-pw-1"}
        with make("vault:kv/wms#password", vault_settings(vault)) as place:
            place.until_shown(upstream, "vault-pw-1")
            vault.kv["kv/wms"] = {"password": "vault-pw-2"}
            place.until_shown(upstream, "vault-pw-2")
            vault.down = 503
            place.until_shown(upstream, "vault-pw-2")
    assert place.kept_quiet("vault-pw-1", "vault-pw-2", "secret-id-1", "hvs.token-1")


def test_a_secret_in_key_vault_is_rotated_without_a_restart(make: Make, upstream: Upstream) -> None:
    with FakeKeyVault(IDENTITY) as vault:
        vault.secrets["wms"] = ["azure-pw-1"]
        with make("keyvault:prod/wms", azure_settings(vault)) as place:
            place.until_shown(upstream, "azure-pw-1")
            vault.secrets["wms"].append("azure-pw-2")
            place.until_shown(upstream, "azure-pw-2")
    assert place.kept_quiet("azure-pw-1", "azure-pw-2", "client-secret-1", "access-token-1")


def test_a_provider_that_is_down_at_the_start_keeps_its_routes_out_of_service_only(
    make: Make, upstream: Upstream
) -> None:
    with FakeVault(IDENTITY) as vault:
        vault.kv["kv/wms"] = {"password": "vault-pw-1"}
        vault.down = 503
        with make("vault:kv/wms#password", vault_settings(vault)) as place:
            answer = place.get()
            assert (answer.status, answer.code) == (502, "credentials_unavailable")
            assert "Vault" not in answer.text
            vault.down = None
            place.until_shown(upstream, "vault-pw-1")
    events = [json.loads(line)["event"] for line in "".join(place.err).splitlines()]
    assert events.count("secrets_down") == 1
    assert "secrets_back" in events


def test_check_resolves_every_reference_when_asked(make: Make) -> None:
    with FakeVault(IDENTITY) as vault:
        vault.kv["kv/wms"] = {"password": "vault-pw-1"}
        place = make("vault:kv/wms#password", vault_settings(vault))
        done = place.run("check", "--resolve")
        assert (done.returncode, done.stdout) == (0, "")
        vault.kv["kv/wms"] = {"other": "vault-pw-1"}
        done = place.run("check", "--resolve")
        assert done.returncode == 1
        assert "routes[0].credentials.password: vault:kv/wms#password: there is no text under this key" in done.stdout
        assert "vault-pw-1" not in done.stdout + done.stderr
        assert place.run("check").returncode == 0


def test_check_resolves_what_opens_a_provider_too(make: Make) -> None:
    with FakeVault(IDENTITY) as vault:
        place = make("vault:kv/wms#password", vault_settings(vault))
        del place.environment["SECRET_ID"]
        done = place.run("check", "--resolve", "--json")
        assert {fault["path"] for fault in json.loads(done.stdout)} == {
            "secrets.vault.auth.secret_id",
            "routes[0].credentials.password",
        }


def test_vault_without_settings_is_a_fault(make: Make) -> None:
    done = make("vault:kv/wms#password").run("check")
    assert done.returncode == 1
    assert "routes[0].credentials.password: vault: needs `secrets.vault`" in done.stdout


@pytest.mark.parametrize(
    ("reference", "library", "extra"), [("vault:kv/wms#p", "hvac", "vault"), ("keyvault:prod/wms", "azure", "azure")]
)
def test_a_library_that_is_not_installed_is_a_fault_that_says_what_to_do(
    make: Make, tmp_path: Path, reference: str, library: str, extra: str
) -> None:
    auth = {"type": "token", "token": "env:SECRET_ID"}
    place = make(reference, {"vault": {"address": "https://localhost", "auth": auth}})
    # A finder that knows nothing of the library stands for an environment without it.
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\n"
        "class Blind:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name.split('.')[0] == {library!r}:\n"
        "            raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Blind())\n"
    )
    place.environment["PYTHONPATH"] = str(tmp_path)
    done = place.run("check")
    assert done.returncode == 1
    assert f"pip install 'tls-broker[{extra}]'" in done.stdout
