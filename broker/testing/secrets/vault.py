"""A look-alike of HashiCorp Vault: logins, tokens that end, KV of both versions, leased secrets, a seal."""

import itertools
import json
from dataclasses import dataclass
from time import monotonic
from typing import Any

from broker.testing.pki import Issued
from broker.testing.secrets.service import Answer, Asked, Service


@dataclass
class Life:
    """How long something lasts, and how long renewing can make it last."""

    ends: float
    last: float
    ttl: float

    @property
    def left(self) -> float:
        """Seconds."""
        return max(self.ends - monotonic(), 0.0)


class FakeVault(Service):
    """Mounts: `kv/` (version 2), `old/` (version 1), `database/` (leases)."""

    def __init__(self, identity: Issued | None = None) -> None:
        super().__init__(identity)
        self.role_id, self.secret_id = "role-1", "secret-id-1"
        self.jwt = "service-account-token"
        self.namespace: str | None = None
        self.token_ttl, self.token_max = 3600.0, 36000.0
        self.lease_ttl, self.lease_max = 3600.0, 36000.0
        self.tokens: dict[str, Life] = {}
        self.leases: dict[str, tuple[Life, str]] = {}
        self.kv: dict[str, dict[str, str]] = {}
        """By path, mount included, for `kv/` and `old/` alike."""
        self.forbidden: set[str] = set()
        self._numbers = itertools.count(1)

    def grant(self, ttl: float | None = None) -> str:
        """A new token."""
        token = f"hvs.token-{next(self._numbers)}"
        now = monotonic()
        ttl = self.token_ttl if ttl is None else ttl
        self.tokens[token] = Life(now + ttl, now + self.token_max, ttl)
        return token

    def answer(self, asked: Asked) -> Answer:
        """As the API of version 1 does."""
        if asked.headers.get("x-vault-namespace") != self.namespace:
            return _refused(404)
        path = asked.path.removeprefix("/v1/")
        body = json.loads(asked.body) if asked.body else {}
        if path.startswith("auth/") and path.endswith("/login"):
            return self._login(path, body)
        token = asked.headers.get("x-vault-token", "")
        life = self.tokens.get(token)
        if life is None or life.left <= 0:
            return _refused(403)
        if path == "auth/token/lookup-self":
            return 200, {"data": {"ttl": round(life.left), "renewable": True}}, {}
        if path == "auth/token/renew-self":
            return 200, {"auth": self._renewed(life) | {"client_token": token}}, {}
        if path == "sys/leases/renew":
            return self._renew_lease(str(body["lease_id"]))
        if path.startswith("sys/internal/ui/mounts/"):
            return _mount(path.removeprefix("sys/internal/ui/mounts/"))
        return _refused(403) if path in self.forbidden else self._read(path, token)

    def _login(self, path: str, body: dict[str, Any]) -> Answer:
        by_role = path == "auth/approle/login" and body.get("role_id") == self.role_id
        if not (by_role and body.get("secret_id") == self.secret_id) and not (
            path == "auth/kubernetes/login" and body.get("jwt") == self.jwt
        ):
            return _refused(400 if "approle" in path else 403)
        auth = {"client_token": self.grant(), "lease_duration": self.token_ttl, "renewable": True}
        return 200, {"auth": auth}, {}

    def _renewed(self, life: Life) -> dict[str, Any]:
        life.ends = min(monotonic() + life.ttl, life.last)
        return {"lease_duration": life.left, "renewable": True}

    def _renew_lease(self, name: str) -> Answer:
        life, token = self.leases.get(name, (None, ""))
        if life is None or life.left <= 0 or token not in self.tokens or self.tokens[token].left <= 0:
            return _refused(400)
        return 200, self._renewed(life) | {"lease_id": name}, {}

    def _read(self, path: str, token: str) -> Answer:
        if path.startswith("database/creds/"):
            number, now = next(self._numbers), monotonic()
            name = f"{path}/{number}"
            self.leases[name] = Life(now + self.lease_ttl, now + self.lease_max, self.lease_ttl), token
            data = {"username": f"v-user-{number}", "password": f"made-{number}"}
            return 200, {"lease_id": name, "lease_duration": self.lease_ttl, "renewable": True, "data": data}, {}
        if path.startswith("kv/data/"):
            data = self.kv.get(path.replace("kv/data/", "kv/", 1), {})
            return (200, {"data": {"data": data, "metadata": {"version": 1}}}, {}) if data else _refused(404)
        data = self.kv.get(path, {}) if path.startswith("old/") else {}
        # Version 1 names a lease_duration as a hint, and no lease.
        found = {"lease_id": "", "lease_duration": 2764800, "renewable": False, "data": data}
        return (200, found, {}) if data else _refused(404)


def _mount(path: str) -> Answer:
    engines = {"kv/": ("kv", {"version": "2"}), "old/": ("kv", {"version": "1"}), "database/": ("database", None)}
    for mount, (kind, options) in engines.items():
        if path.startswith(mount):
            return 200, {"data": {"path": mount, "type": kind, "options": options}}, {}
    return _refused(403)


def _refused(status: int) -> Answer:
    words = {400: "invalid role or secret ID", 403: "permission denied", 404: ""}[status]
    return status, {"errors": [words] if words else []}, {}
