"""Secrets in Azure Key Vault: `keyvault:VAULT/NAME` or `keyvault:VAULT/NAME/VERSION`."""

import logging
from typing import Any

from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    ResourceNotFoundError,
    ServiceRequestError,
    ServiceResponseError,
)
from azure.keyvault.secrets.aio import SecretClient

from broker.config.secrets import AzureClientSecret, KeyVault
from broker.core.ports import SecretResolver
from broker.core.secret import Secret, SecretUnavailable
from broker.secretstore.azure_identity import credential_of
from broker.secretstore.provider import Fetched, ProviderDown


class KeyVaultProvider:
    """Asks through the SDK's asynchronous client, one for each vault, with one identity."""

    def __init__(self, config: KeyVault, timeout: float, resolve: SecretResolver) -> None:
        self._config = config
        self._resolve = resolve
        self._common: dict[str, Any] = {
            "connection_timeout": timeout,
            "read_timeout": timeout,
            "retry_total": 1,
            **({"connection_verify": str(config.ca)} if config.ca is not None else {}),
        }
        self._credential: Any = None
        self._own: Secret | None = None
        self._clients: dict[str, SecretClient] = {}
        logging.getLogger("azure").setLevel(logging.CRITICAL)  # it reports each failed try; here an outage is told once

    def split(self, rest: str) -> tuple[str, str]:
        """The whole of it: one place holds one secret."""
        return rest, ""

    async def fetch(self, place: str, *, fresh: bool) -> Fetched:
        """The secret's newest version, or the one that is named; raises `SecretUnavailable`."""
        try:
            try:
                return await self._fetch(place)
            except ClientAuthenticationError:
                if not await self._rotated():
                    raise
                return await self._fetch(place)
        except (AzureError, ValueError) as error:
            raise in_words(error) from None

    async def close(self) -> None:
        """Close all connections."""
        clients, credential = self._clients, self._credential
        self._clients, self._credential, self._own = {}, None, None
        for client in clients.values():
            await client.close()
        if credential is not None:
            await credential.close()

    async def _fetch(self, place: str) -> Fetched:
        vault, name, *version = place.split("/")
        found = await self._client(vault).get_secret(name, *version)
        if not found.value:
            raise SecretUnavailable("the secret is empty")
        return Fetched({"": Secret(found.value.encode())})

    def _client(self, vault: str) -> SecretClient:
        client = self._clients.get(vault)
        if client is None:
            if self._credential is None:
                self._own = self._own_secret()
                self._credential = credential_of(self._config, self._own, self._common)
            client = self._clients[vault] = SecretClient(
                self._config.url.replace("{vault}", vault),
                self._credential,
                verify_challenge_resource=self._config.verify_challenge,
                **self._common,
            )
        return client

    def _own_secret(self) -> Secret | None:
        credential = self._config.credential
        if not isinstance(credential, AzureClientSecret):
            return None
        try:
            return self._resolve(credential.client_secret)
        except SecretUnavailable as error:
            raise ProviderDown(f"no identity: {error}") from None

    async def _rotated(self) -> bool:
        """Whether the broker's own client secret is another by now; if so, all clients start anew with it."""
        if self._own is None or self._own_secret() == self._own:
            return False
        await self.close()
        return True


def in_words(error: Exception) -> SecretUnavailable:
    """What went wrong, without addresses and bodies."""
    if isinstance(error, ClientAuthenticationError):
        return ProviderDown("the identity is refused")
    if isinstance(error, ValueError):
        # The SDK's own words for a challenge that names another domain than the vault's.
        return ProviderDown("the vault asks for a token of another domain; see `verify_challenge`")
    if isinstance(error, ResourceNotFoundError):
        return SecretUnavailable("the vault has no such secret")
    if isinstance(error, HttpResponseError) and error.status_code is not None:
        if error.status_code == 403:
            return SecretUnavailable("the vault denies permission, or the secret is disabled")
        kind = ProviderDown if error.status_code == 429 or error.status_code >= 500 else SecretUnavailable
        return kind(f"the vault answered with status {error.status_code}")
    if isinstance(error, ServiceRequestError | ServiceResponseError):
        return ProviderDown("the vault or its authority cannot be reached")
    return ProviderDown(f"asking the vault failed ({type(error).__name__})")
