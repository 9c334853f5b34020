"""Where secrets are kept: files, Azure Key Vault, HashiCorp Vault; and how often they are asked for."""

import re
from typing import Annotated, Any, Final, Literal, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, GetJsonSchemaHandler, PlainValidator, WithJsonSchema
from pydantic_core import CoreSchema

from broker.config.base import Model, setting
from broker.config.scalars import FilePath, Timeout
from broker.config.secret_ref import LocalRef, SecretRef, is_ref, local

_URL: Final = re.compile(r"https://[A-Za-z0-9.{}\[\]:-]+(/[A-Za-z0-9._~/{}-]*)?")
_PLAIN_URL: Final = re.compile(r"https?://[A-Za-z0-9.\[\]:-]+(/[A-Za-z0-9._~/-]*)?")
_PART: Final = r"^[^\s#?%]+$"
_T = TypeVar("_T")


def _https(value: str) -> str:
    if not _URL.fullmatch(value) or value.replace("{vault}", "").count("{"):
        raise ValueError("expected an https:// URL without user name and query; {vault} stands for the vault's name")
    return value.rstrip("/")


def _address(value: str) -> str:
    if not _PLAIN_URL.fullmatch(value):
        raise ValueError("expected a URL such as https://vault.example.com:8200, without user name and query")
    return value.rstrip("/")


def _role_id(value: object) -> str | SecretRef:
    if isinstance(value, SecretRef):
        return local(value)
    if not isinstance(value, str) or not value:
        raise ValueError("expected a role id in text, or a reference such as env:NAME")
    return local(SecretRef.parse(value)) if is_ref(value) else value


class _Shorthand:
    """Lets a kind whose other settings all have defaults be written as its `type` alone."""

    def __init__(self, *kinds: str) -> None:
        self._kinds = kinds

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"anyOf": [{"enum": list(self._kinds)}, handler(schema)]}


def _spelled_out(value: _T) -> _T | dict[str, str]:
    return {"type": value} if isinstance(value, str) else value


class DefaultCredential(Model):
    """Whatever the environment offers: a service principal in variables, workload or managed identity, Azure CLI."""

    type: Literal["default"] = Field(description="The first identity that the environment offers.")


class ManagedIdentity(Model):
    """The identity of the virtual machine, app service or container that the broker runs in."""

    type: Literal["managed_identity"] = Field(description="The managed identity of where the broker runs.")
    client_id: str | None = setting(None, "The user-assigned identity; else the system-assigned one.")


class WorkloadIdentity(Model):
    """The Kubernetes service account, federated with Entra ID; what is not set comes from the `AZURE_*` variables."""

    type: Literal["workload_identity"] = Field(description="The pod's federated service account.")
    tenant_id: str | None = setting(None, "The directory; default: `AZURE_TENANT_ID`.")
    client_id: str | None = setting(None, "The application or identity; default: `AZURE_CLIENT_ID`.")
    token_file: FilePath | None = setting(None, "The projected token; default: `AZURE_FEDERATED_TOKEN_FILE`.")


class AzureClientSecret(Model):
    """An application of Entra ID with a client secret."""

    type: Literal["client_secret"] = Field(description="An application and its client secret.")
    tenant_id: str = Field(description="The directory.", pattern=r"^[A-Za-z0-9.-]+$")
    client_id: str = Field(description="The application.", min_length=1)
    client_secret: LocalRef = Field(description="Where its secret is: env:NAME or file:PATH.")


AzureCredential = Annotated[
    Annotated[DefaultCredential | ManagedIdentity | WorkloadIdentity | AzureClientSecret, Field(discriminator="type")],
    BeforeValidator(_spelled_out),
    _Shorthand("default", "managed_identity", "workload_identity"),
]


class KeyVault(Model):
    """Azure Key Vault; needs `pip install 'tls-broker[azure]'`."""

    credential: AzureCredential = setting("default", "Who asks.")
    url: Annotated[str, AfterValidator(_https)] = setting(
        "https://{vault}.vault.azure.net", "Where vaults are; another one for sovereign clouds and emulators."
    )
    authority: Annotated[str, AfterValidator(_https)] | None = setting(
        None, "Where tokens come from; default: `AZURE_AUTHORITY_HOST`, else the public cloud."
    )
    ca: FilePath | None = setting(None, "CAs of the vaults and the authority, in PEM; default: the public ones.")
    verify_challenge: bool = setting(
        True, "A vault may ask for tokens of its own domain only; false is for emulators, which name another."
    )


RoleId = Annotated[str | SecretRef, PlainValidator(_role_id), WithJsonSchema({"type": "string", "minLength": 1})]


class AppRole(Model):
    """A role and its secret id."""

    type: Literal["approle"] = Field(description="A role and its secret id.")
    mount: str = setting("approle", "Where the method is mounted.", pattern=_PART)
    role_id: RoleId = Field(description="The role id, or where it is: env:NAME or file:PATH.")
    secret_id: LocalRef | None = setting(None, "Where the secret id is: env:NAME or file:PATH; read at each login.")


class KubernetesAuth(Model):
    """The Kubernetes service account of the pod."""

    type: Literal["kubernetes"] = Field(description="The pod's service account.")
    mount: str = setting("kubernetes", "Where the method is mounted.", pattern=_PART)
    role: str = Field(description="The role in Vault.", min_length=1)
    token_file: FilePath = setting(
        "/var/run/secrets/kubernetes.io/serviceaccount/token", "The service account's token; read at each login."
    )


class TokenAuth(Model):
    """A token that somebody else got; it is renewed when it can be."""

    type: Literal["token"] = Field(description="A ready-made token.")
    token: LocalRef = Field(description="Where the token is: env:NAME or file:PATH.")


VaultAuth = Annotated[AppRole | KubernetesAuth | TokenAuth, Field(discriminator="type")]


class Vault(Model):
    """HashiCorp Vault or OpenBao; needs `pip install 'tls-broker[vault]'`."""

    address: Annotated[str, AfterValidator(_address)] = Field(description="Where it is, as in `VAULT_ADDR`.")
    auth: VaultAuth = Field(description="How the broker logs in.")
    namespace: str | None = setting(None, "The namespace.", pattern=_PART)
    ca: FilePath | None = setting(None, "CAs of the address, in PEM; default: the public ones.")


class Secrets(Model):
    """Where secrets are kept."""

    files: FilePath = setting("/run/secrets", "Directory that `file:` references are relative to.")
    refresh: Timeout = setting("60s", "How often Key Vault and Vault are asked whether a secret has changed.")
    timeout: Timeout = setting("10s", "How long one request to them may take.")
    keyvault: KeyVault = Field(
        default_factory=lambda: KeyVault.model_validate({}), description="Azure Key Vault, for `keyvault:` references."
    )
    vault: Vault | None = setting(None, "HashiCorp Vault, for `vault:` references.")
