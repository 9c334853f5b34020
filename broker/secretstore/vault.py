"""Secrets in HashiCorp Vault: `vault:MOUNT/PATH#KEY`, from KV version 1 and 2 and from engines that lease them."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from time import monotonic
from typing import Any

from hvac.exceptions import Forbidden, InvalidPath, InvalidRequest

from broker.config.secrets import Vault
from broker.core.ports import SecretResolver
from broker.core.secret import Secret, SecretUnavailable
from broker.secretstore.provider import Fetched, Threads
from broker.secretstore.vault_errors import in_words
from broker.secretstore.vault_session import EARLY, WORN, VaultSession


@dataclass(frozen=True, slots=True)
class _Lease:
    """Secrets that were made for the broker, and how long they last."""

    name: str
    first_ttl: float
    ends: float
    renewable: bool
    generation: int
    values: dict[str, Secret] = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Mount:
    """An engine of secrets."""

    path: str
    kv: int
    """The version of the KV engine; 0 for every other engine."""


class VaultProvider:
    """Reads through hvac, on threads of its own."""

    def __init__(self, config: Vault, timeout: float, resolve: SecretResolver, learn: Callable[[Secret], None]) -> None:
        self._session = VaultSession(config, timeout, resolve, learn)
        self._threads = Threads("vault", 4)
        self._mounts: dict[str, _Mount] = {}
        self._leases: dict[str, _Lease] = {}
        self._closed = False

    def split(self, rest: str) -> tuple[str, str]:
        """The path and the key in what is there: a user name and its password are read in one."""
        place, _, key = rest.partition("#")
        return place, key

    async def fetch(self, place: str, *, fresh: bool) -> Fetched:
        """What is at the path; raises `SecretUnavailable`."""
        return await self._threads.run(partial(self._fetch, place, fresh))

    async def close(self) -> None:
        """End threads and connections."""
        self._closed = True
        await self._threads.close()
        self._session.close()

    # On a thread.

    def _fetch(self, place: str, fresh: bool) -> Fetched:
        try:
            try:
                return self._look_up(place, fresh)
            except Forbidden:
                if not self._session.is_dead(self._session.generation):
                    raise
                return self._look_up(place, fresh)
        except Exception as error:
            raise in_words(error) from None
        finally:
            if self._closed:
                # This look-up took longer than anybody waits for: its connection must not be kept for another.
                self._session.close()

    def _look_up(self, place: str, fresh: bool) -> Fetched:
        client = self._session.ready()
        generation = self._session.generation
        lease = self._leases.get(place)
        if lease is not None and not fresh and lease.generation == generation:
            extended = self._extend(client, place, lease)
            if extended is not None:
                return extended
        answer, data = self._read(client, place)
        values = {key: Secret(text.encode()) for key, text in data.items() if isinstance(text, str) and text}
        if not answer.get("lease_id"):
            return Fetched(values, within=max(self._session.until_renewal(), self._session.remaining() / 10))
        ttl = float(answer["lease_duration"])
        ends = monotonic() + ttl
        self._leases[place] = _Lease(answer["lease_id"], ttl, ends, bool(answer["renewable"]), generation, values)
        return self._leased(values, ttl)

    def _extend(self, client: Any, place: str, lease: _Lease) -> Fetched | None:
        """The same secrets for longer; None when they are near their end or gone."""
        if not lease.renewable or monotonic() >= lease.ends:
            return None
        try:
            ttl = float(client.sys.renew_lease(lease.name)["lease_duration"])
        except (Forbidden, InvalidPath, InvalidRequest):
            return None
        if ttl < lease.first_ttl * WORN:
            return None
        self._leases[place] = replace(lease, ends=monotonic() + ttl)
        return self._leased(lease.values, ttl)

    def _leased(self, values: dict[str, Secret], ttl: float) -> Fetched:
        return Fetched(values, within=min(ttl, self._session.remaining()) * EARLY, leased=True)

    def _read(self, client: Any, place: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """The whole answer and the secrets in it."""
        mount = self._mount(client, place)
        path = place.removeprefix(mount.path)
        try:
            if mount.kv == 2:
                answer = client.secrets.kv.v2.read_secret_version(
                    path, mount_point=mount.path.rstrip("/"), raise_on_deleted_version=True
                )
                return answer, answer["data"]["data"]
            answer = client.read(place)
        except (InvalidPath, InvalidRequest):
            # The engine may have become another one.
            self._mounts.pop(place, None)
            raise
        if answer is None:
            self._mounts.pop(place, None)
            raise SecretUnavailable("nothing is there")
        return answer, answer["data"] or {}

    def _mount(self, client: Any, place: str) -> _Mount:
        """Which engine the path is in: Vault's own command line asks the same way, and every policy permits it."""
        mount = self._mounts.get(place)
        if mount is None:
            try:
                data = client.adapter.get(f"/v1/sys/internal/ui/mounts/{place}")["data"]
            except Forbidden:
                # So Vault answers for what is not mounted, and to tokens that may read nothing below the mount.
                raise SecretUnavailable("Vault denies permission, or nothing is mounted there") from None
            options = data.get("options") or {}
            version = int(options.get("version", 1)) if data.get("type") in ("kv", "generic") else 0
            mount = self._mounts[place] = _Mount(data["path"], version)
        return mount
