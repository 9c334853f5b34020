"""Tokens of Microsoft Entra ID, by `azure-identity`: secret, certificate, workload and managed identity."""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from typing import Any

from broker.config.credentials_entra import EntraCredentials, what_to_install
from broker.core.ports import SecretSource, SourceResolver
from broker.core.secret import Secret
from broker.credentials.flow import CredentialUnavailable
from broker.credentials.oauth2_answer import line_safe, said
from broker.credentials.oauth2_proof import material_of, renewed
from broker.credentials.tokens import Grant

Make = Callable[[Any, dict[str, Any]], Any]
"""(azure.identity.aio, options of all its credentials) → one of them."""


class EntraIssuer:
    """Asks through the SDK; an `Issuer`. The SDK's own cache is emptied where a token turned out to be refused."""

    type = "entra"

    def __init__(self, config: EntraCredentials, source: SourceResolver) -> None:
        """Raises `SecretUnavailable` or `ValueError` when it can never work."""
        command = what_to_install()
        if command is not None:
            raise ValueError(f"entra: needs {command}")
        self.name = config.authority or "Microsoft Entra ID"
        self._scope = config.scope
        self._timeout = config.timeout
        self._common = _options(config)
        self._make, self.sources = _identity(config, source)
        self._credential: Any = None
        self._made_of: list[int] = []

    async def grant(self, *, fresh: bool) -> Grant:
        """See `Issuer.grant`: an application that is rejected looks for a new secret, once."""
        from azure.core.exceptions import ClientAuthenticationError

        if fresh:
            await self.close()
        seen = [source.version for source in self.sources]
        try:
            try:
                return await self._ask()
            except ClientAuthenticationError:
                if not await renewed(self.sources, seen):
                    raise
            return await self._ask()
        except Exception as error:
            raise self._in_words(error) from None

    async def close(self) -> None:
        """Close the SDK's connections, and forget its tokens."""
        credential, self._credential = self._credential, None
        if credential is not None:
            await credential.close()

    def prime(self) -> None:
        """Look at what the proof is made of; raises `SecretUnavailable` when that is not fit for it."""
        for source in self.sources:
            source.current()

    async def _ask(self) -> Grant:
        made_of = [source.version for source in self.sources]
        if self._credential is None or made_of != self._made_of:
            await self.close()
            from azure.identity import aio

            # It reports each failed try; here an outage is told once.
            logging.getLogger("azure").setLevel(logging.CRITICAL)
            self._credential, self._made_of = self._make(aio, self._common), made_of
        try:
            async with asyncio.timeout(self._timeout):
                token = await self._credential.get_token(self._scope)
        except TimeoutError:
            raise CredentialUnavailable(f"{self.name}: no answer within {self._timeout:g}s") from None
        life = float(token.expires_on) - time.time()
        if life <= 0:
            raise CredentialUnavailable(f"{self.name} gave a token that is over already")
        return Grant(line_safe(self.name, token.token), life)

    def _in_words(self, error: Exception) -> Exception:
        from azure.core.exceptions import AzureError

        if isinstance(error, AzureError):
            return CredentialUnavailable(f"{self.name}: {said(error.message, self._secrets())}")
        if isinstance(error, OSError):
            return CredentialUnavailable(f"{self.name}: {error.filename or 'a file'}: {error.strerror}")
        if isinstance(error, ValueError):
            return CredentialUnavailable(f"{self.name}: {said(str(error), self._secrets())}")
        return error

    def _secrets(self) -> list[bytes]:
        return [source.current().reveal() for source in self.sources if source.version]


def _options(config: EntraCredentials) -> dict[str, Any]:
    return {
        # The SDK's own tries would only add up: who waits is told at once, and the next try comes soon.
        "retry_total": 0,
        "connection_timeout": config.timeout,
        "read_timeout": config.timeout,
        **({"connection_verify": str(config.ca)} if config.ca is not None else {}),
        **({"proxies": {"http": config.proxy, "https": config.proxy}} if config.proxy is not None else {}),
    }


def _identity(config: EntraCredentials, source: SourceResolver) -> tuple[Make, Sequence[SecretSource]]:
    """What makes the SDK's credential, and of which secrets."""
    tenant, client = config.tenant, config.client_id
    authority = {} if config.authority is None else {"authority": config.authority}
    if config.managed_identity is not False:
        own = None if config.managed_identity is True else config.managed_identity
        return lambda aio, common: aio.ManagedIdentityCredential(client_id=own, **common), ()
    if config.workload_identity:
        return lambda aio, common: aio.WorkloadIdentityCredential(
            tenant_id=tenant, client_id=client, **authority, **common
        ), ()
    if config.client_secret is not None:
        secret = source(config.client_secret)
        return lambda aio, common: aio.ClientSecretCredential(
            tenant, client, _text(secret.current()), **authority, **common
        ), (secret,)
    material = material_of(config, source)
    return lambda aio, common: aio.CertificateCredential(
        tenant, client, certificate_data=material.current().pem(), **authority, **common
    ), material.sources


def _text(secret: Secret) -> str:
    return secret.reveal().decode()
