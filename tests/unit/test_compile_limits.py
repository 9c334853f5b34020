"""What makes the store of shared limits another one, and what it costs where there is none."""

import asyncio
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from broker.compile import compile_config
from broker.compile_carry import Before
from broker.compiled import Compiled
from broker.config.load import load
from broker.core.alarms import AlarmWheel
from broker.policy.shared_bucket import SharedLimits
from broker.reload_files import digests, files_of
from broker.secretstore.store import SecretStore
from broker.testing.pki import Authority

AUTHORITY = Authority.create()
Change = Callable[[dict[str, Any], Path], None]


class Compiler:
    """Compiles a routes file with a store again and again."""

    def __init__(self, base: Path) -> None:
        self.base = base
        AUTHORITY.issue().write(base, "server")
        AUTHORITY.write_ca(base)
        (base / "password").write_text("the-password-of-redis")
        (base / "other").write_text("the-password-of-redis")
        self._last: Compiled | None = None
        self._store: SecretStore | None = None
        self.limits: dict[str, Any] = {
            "store": "rediss://127.0.0.1:9",
            "store_password": "file:password",
            "store_ca": "ca.crt",
        }

    def __call__(self, *, same_secrets: bool = True) -> SharedLimits | None:
        document = {
            "version": 1,
            "secrets": {"files": "."},
            "limits": self.limits,
            "listeners": {
                "in": {"bind": "127.0.0.1:0", "tls": {"certificates": [{"chain": "server.crt", "key": "server.key"}]}}
            },
            "upstreams": {"back": {"targets": ["http://127.0.0.1:9"], "rate": "5/s"}},
            "routes": [{"name": "all", "callers": "public", "upstream": "back"}],
        }
        path = self.base / "routes.yaml"
        path.write_text(yaml.safe_dump(document))
        config = load(path)
        if self._store is None or not same_secrets:
            self._store = SecretStore(config.secrets)
        before = Before(self._last, digests(files_of(config)), same_secrets)
        self._last = compile_config(config, AlarmWheel(asyncio.get_running_loop()), self._store, before)
        return self._last.registry.shared


@pytest.fixture
def compiled(tmp_path: Path) -> Compiler:
    return Compiler(tmp_path)


async def test_a_store_whose_settings_stay_goes_on(compiled: Compiler) -> None:
    before = compiled()
    compiled.limits["connections"] = 5
    assert before is not None
    assert compiled() is before
    assert "the-password-of-redis" not in repr(vars(before))


@pytest.mark.parametrize(
    "change",
    [
        lambda limits, _: limits.update(store="rediss://127.0.0.1:9/1"),
        lambda limits, _: limits.update(store_prefix="other"),
        lambda limits, _: limits.update(store_password="file:other"),
        lambda limits, _: limits.update(store_timeout="1s"),
        lambda limits, base: (base / "ca.crt").write_text(Authority.create().ca_pem),
    ],
)
async def test_other_settings_or_another_file_make_another_store(compiled: Compiler, change: Change) -> None:
    before = compiled()
    change(compiled.limits, compiled.base)
    after = compiled()
    assert after is not None
    assert after is not before


async def test_secrets_from_elsewhere_make_another_store(compiled: Compiler) -> None:
    before = compiled()
    assert compiled(same_secrets=False) is not before


async def test_without_a_store_nothing_is_shared(compiled: Compiler) -> None:
    compiled.limits = {}
    assert compiled() is None


def test_the_library_is_loaded_where_a_store_is_configured_only() -> None:
    code = "import sys, broker.app; sys.exit('redis' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
