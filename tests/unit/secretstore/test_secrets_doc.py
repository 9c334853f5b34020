"""The examples of docs/secrets.md work as they stand, but for the addresses of the services."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from secret_stores import MakeStore

from broker.config.secret_ref import SecretRef, is_ref
from broker.testing.secrets.key_vault import TENANT, FakeKeyVault
from broker.testing.secrets.vault import FakeVault

PAGE = Path(__file__).parents[3] / "docs/secrets.md"
EXAMPLES = [
    yaml.safe_load(block) for block in re.findall(r"^```yaml\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
]


def texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for item in value.values():
            yield from texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from texts(item)
    elif isinstance(value, str):
        yield value


def test_each_provider_has_an_example() -> None:
    used = {text.partition(":")[0] for one in EXAMPLES for text in texts(one["routes"]) if is_ref(text)}
    assert used == {"env", "file", "keyvault", "vault"}


@pytest.mark.parametrize("example", EXAMPLES, ids=[f"example{index}" for index in range(len(EXAMPLES))])
async def test_an_example_resolves(
    example: dict[str, Any],
    vault: FakeVault,
    key_vault: FakeKeyVault,
    ca: str,
    make_store: MakeStore,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    references = [SecretRef.parse(text) for text in texts(example["routes"]) if is_ref(text)]
    assert references
    settings = example.get("secrets", {})
    files(tmp_path, key_vault, vault)
    for reference in references:
        fill(reference, monkeypatch, tmp_path, key_vault, vault)
    settings["files"] = str(tmp_path)
    settings.pop("refresh", None)
    adapt_azure(settings.setdefault("keyvault", {}), key_vault, ca, monkeypatch, tmp_path)
    if "vault" in settings:
        adapt_vault(settings["vault"], vault, ca, tmp_path)
    store = make_store(settings, timeout=10)
    await store.start(references)
    values = [store.resolve(reference).reveal() for reference in references]
    assert all(value.startswith((b"value of", b"v-user", b"made")) for value in values)


def files(base: Path, key_vault: FakeKeyVault, vault: FakeVault) -> None:
    (base / "azure_client_secret").write_text(key_vault.client_secret)
    (base / "vault_secret_id").write_text(vault.secret_id)
    (base / "vault_token").write_text(vault.grant())
    (base / "federated").write_text(key_vault.assertion)
    (base / "pod").write_text(vault.jwt)


def fill(
    reference: SecretRef, patch: pytest.MonkeyPatch, base: Path, key_vault: FakeKeyVault, vault: FakeVault
) -> None:
    value = f"value of {reference}"
    if reference.scheme == "env":
        patch.setenv(reference.rest, value)
    elif reference.scheme == "file":
        (base / reference.rest).parent.mkdir(exist_ok=True)
        (base / reference.rest).write_text(value)
    elif reference.scheme == "keyvault":
        key_vault.secrets[reference.rest.split("/")[1]] = [value]
    else:
        path, _, key = reference.rest.partition("#")
        vault.kv.setdefault(path, {})[key] = value


def adapt_azure(
    settings: dict[str, Any], key_vault: FakeKeyVault, ca: str, patch: pytest.MonkeyPatch, base: Path
) -> None:
    settings |= {"url": key_vault.url, "authority": key_vault.url, "ca": ca, "verify_challenge": False}
    identity = {"IDENTITY_ENDPOINT": f"{key_vault.url}/msi/token", "IDENTITY_HEADER": key_vault.identity_header}
    webhook = {"AZURE_TENANT_ID": TENANT, "AZURE_CLIENT_ID": "c", "AZURE_FEDERATED_TOKEN_FILE": str(base / "federated")}
    for name, value in (identity | webhook).items():
        patch.setenv(name, value)


def adapt_vault(settings: dict[str, Any], vault: FakeVault, ca: str, base: Path) -> None:
    vault.role_id = settings["auth"].get("role_id", "")
    vault.namespace = settings.get("namespace")
    settings |= {"address": vault.url, "ca": ca}
    if settings["auth"]["type"] == "kubernetes":
        settings["auth"]["token_file"] = str(base / "pod")
