"""Look-alikes of providers, and stores that ask them at the pace of tests."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from secret_stores import MakeStore, Watched, watched

from broker.secretstore.store import SecretStore
from broker.testing.pki import Authority
from broker.testing.secrets.key_vault import FakeKeyVault
from broker.testing.secrets.vault import FakeVault


@pytest.fixture(scope="session")
def authority() -> Authority:
    return Authority.create("Secrets CA")


@pytest.fixture
def ca(authority: Authority, tmp_path: Path) -> str:
    return str(authority.write_ca(tmp_path, "secrets-ca.crt"))


@pytest.fixture
def key_vault(authority: Authority) -> Iterator[FakeKeyVault]:
    with FakeKeyVault(authority.issue()) as service:
        yield service


@pytest.fixture
def vault(authority: Authority) -> Iterator[FakeVault]:
    with FakeVault(authority.issue()) as service:
        yield service


@pytest.fixture
async def make_store(tmp_path: Path) -> AsyncIterator[MakeStore]:
    """Makes a store with these settings and this pace, closed at the end."""
    made: list[SecretStore] = []

    def make(settings: dict[str, Any] | None = None, **pace: Any) -> Watched:
        store = watched({"files": str(tmp_path), **(settings or {})}, pace)
        made.append(store)
        return store

    yield make
    for store in made:
        await store.close()
