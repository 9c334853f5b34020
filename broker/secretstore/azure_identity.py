"""Who the broker is to Azure, chosen by `type`."""

from typing import Any

from azure.identity import aio

from broker.config.secrets import AzureClientSecret, DefaultCredential, KeyVault, ManagedIdentity
from broker.core.secret import Secret


def credential_of(config: KeyVault, own: Secret | None, common: dict[str, Any]) -> Any:
    """The SDK's credential; `own` is the client secret, `common` what all clients of the SDK are given."""
    chosen = config.credential
    options = dict(common)
    if config.authority is not None and not isinstance(chosen, ManagedIdentity):
        options["authority"] = config.authority
    if isinstance(chosen, DefaultCredential):
        return aio.DefaultAzureCredential(**options)
    if isinstance(chosen, ManagedIdentity):
        return aio.ManagedIdentityCredential(client_id=chosen.client_id, **options)
    if isinstance(chosen, AzureClientSecret):
        secret = own.reveal().decode() if own is not None else ""
        return aio.ClientSecretCredential(chosen.tenant_id, chosen.client_id, secret, **options)
    given = {"tenant_id": chosen.tenant_id, "client_id": chosen.client_id}
    if chosen.token_file is not None:
        given["token_file_path"] = str(chosen.token_file)
    return aio.WorkloadIdentityCredential(**{key: value for key, value in given.items() if value}, **options)
