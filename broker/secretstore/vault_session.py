"""The broker's token for Vault: got by a login, renewed in time, got anew when renewing no longer helps."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from time import monotonic
from typing import Any, Final

import hvac
from hvac.exceptions import Forbidden, InvalidRequest, VaultError

from broker.config.secret_ref import SecretRef
from broker.config.secrets import AppRole, KubernetesAuth, TokenAuth, Vault
from broker.core.ports import SecretResolver
from broker.core.secret import Secret, SecretUnavailable
from broker.secretstore.provider import ProviderDown

EARLY: Final = 2 / 3
"""The part of its life after which a token or a lease is renewed."""
WORN: Final = 1 / 3
"""What is renewed for less than this part of its first life is near its greatest age, and got anew."""


@dataclass(slots=True)
class _Token:
    """A token and its life, in monotonic seconds."""

    first_ttl: float
    renew_at: float
    ends: float
    renewable: bool


class VaultSession:
    """A client that is logged in. Its methods block, and may be called from several threads."""

    def __init__(self, config: Vault, timeout: float, resolve: SecretResolver, learn: Callable[[Secret], None]) -> None:
        self._config = config
        self._resolve = resolve
        self._learn = learn
        self._lock = threading.Lock()
        self._token: _Token | None = None
        self.generation = 0
        """Grows with each login: leases end with the token under which they were given."""
        # An empty token, because hvac takes None as leave to look for one in the environment and the home directory.
        self._client: Any = hvac.Client(
            url=config.address,
            token="",
            verify=str(config.ca) if config.ca is not None else True,
            timeout=timeout,
            namespace=config.namespace,
        )
        if config.address.startswith("https:"):
            # A standby node redirects to the active one; no redirect may take the token out of TLS.
            self._client.session.adapters.pop("http://")

    def ready(self) -> Any:
        """The client, logged in; raises `ProviderDown` when Vault refuses that, errors of hvac and requests else."""
        with self._lock:
            now = monotonic()
            if self._token is None or now >= self._token.ends:
                self._log_in()
            elif now >= self._token.renew_at:
                self._renew(self._token)
        return self._client

    def until_renewal(self) -> float:
        """Seconds until the token wants to be renewed: it dies when nobody asks for anything for too long."""
        token = self._token
        return inf if token is None else max(token.renew_at - monotonic(), 0.0)

    def remaining(self) -> float:
        """Seconds until the token ends, and with it what was leased under it."""
        token = self._token
        return inf if token is None else max(token.ends - monotonic(), 0.0)

    def is_dead(self, generation: int) -> bool:
        """Whether the token of this generation is no good any more; if so, the next call logs in anew."""
        with self._lock:
            if generation != self.generation:
                return True
            try:
                self._client.auth.token.lookup_self()
            except Forbidden:
                self._token = None
                return True
            return False

    def close(self) -> None:
        """Let go of the connections; what was leased runs out by itself."""
        self._client.adapter.close()

    def _renew(self, token: _Token) -> None:
        if token.renewable:
            try:
                answer = self._client.auth.token.renew_self()["auth"]
            except (Forbidden, InvalidRequest):
                answer = {"lease_duration": 0}
            except (VaultError, OSError):
                # Down, perhaps: the token is good for a while yet, and the next request will say more.
                return
            ttl = float(answer["lease_duration"])
            if ttl >= token.first_ttl * WORN:
                self._keep(ttl, token.first_ttl, renewable=True)
                return
        self._log_in()

    def _log_in(self) -> None:
        # Nothing of an old token goes into a login: Vault would look at it first.
        self._client.token = ""
        self._token = None
        method = self._config.auth
        try:
            auth = self._login_of(method)
        except (Forbidden, InvalidRequest):
            raise ProviderDown(f"Vault refuses the login ({method.type})") from None
        except SecretUnavailable as error:
            raise ProviderDown(f"no login: {error}") from None
        ttl = float(auth["lease_duration"])
        self.generation += 1
        self._keep(ttl, ttl, renewable=bool(auth["renewable"]))

    def _login_of(self, method: AppRole | KubernetesAuth | TokenAuth) -> dict[str, Any]:
        if isinstance(method, TokenAuth):
            return self._adopt(self._text(method.token))
        if isinstance(method, AppRole):
            role = self._text(method.role_id) if isinstance(method.role_id, SecretRef) else method.role_id
            secret = self._text(method.secret_id) if method.secret_id is not None else None
            answer = self._client.auth.approle.login(role, secret, use_token=False, mount_point=method.mount)
        else:
            token = _read(method)
            self._learn(Secret(token.encode()))
            answer = self._client.auth.kubernetes.login(method.role, token, use_token=False, mount_point=method.mount)
        auth: dict[str, Any] = answer["auth"]
        self._learn(Secret(auth["client_token"].encode()))
        self._client.token = auth["client_token"]
        return auth

    def _adopt(self, token: str) -> dict[str, Any]:
        self._client.token = token
        data = self._client.auth.token.lookup_self()["data"]
        return {"lease_duration": data["ttl"], "renewable": data.get("renewable", False)}

    def _keep(self, ttl: float, first_ttl: float, *, renewable: bool) -> None:
        now = monotonic()
        # A root token has no end.
        life = ttl if ttl > 0 else inf
        self._token = _Token(first_ttl, now + life * EARLY, now + life, renewable)

    def _text(self, reference: SecretRef) -> str:
        return self._resolve(reference).reveal().decode("utf-8", "strict").strip()


def _read(method: KubernetesAuth) -> str:
    try:
        return method.token_file.read_text(encoding="ascii").strip()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a token"
        raise SecretUnavailable(f"{method.token_file}: {reason}") from None
