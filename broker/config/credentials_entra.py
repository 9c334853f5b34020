"""Tokens of Microsoft Entra ID, by the means of Azure."""

from importlib.util import find_spec
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, PlainValidator, WithJsonSchema, model_validator

from broker.config.base import Model, setting
from broker.config.callers_entra import Guid, parse_guid
from broker.config.credentials_oauth2 import Proxy, parse_token_url
from broker.config.scalars import FilePath, Timeout
from broker.config.secret_ref import SecretRef


def what_to_install() -> str | None:
    """The command to run before these credentials work; None when they do."""
    here = all(find_spec(name) is not None for name in ("azure", "azure.core", "azure.identity"))
    return None if here else "pip install 'tls-broker[azure]'"


def parse_authority(value: object) -> str:
    """`https://HOST`; raises `ValueError`."""
    text = parse_token_url(value)
    parts = urlsplit(text)
    if parts.scheme != "https" or parts.path.strip("/") or parts.query:
        raise ValueError("expected a URL such as https://login.microsoftonline.us, without a path")
    return text.rstrip("/")


def parse_scope(value: object) -> str:
    """`RESOURCE/.default`; raises `ValueError`."""
    text = value if isinstance(value, str) else ""
    if not text.removesuffix("/.default").strip() or not text.endswith("/.default") or not text.isprintable():
        raise ValueError("expected a scope such as https://contoso.operations.dynamics.com/.default")
    if " " in text:
        raise ValueError("a token is for one service: one scope")
    return text


def parse_identity(value: object) -> bool | str:
    """True, or the client id of a user-assigned identity; raises `ValueError`."""
    if isinstance(value, bool):
        return value
    try:
        return parse_guid(value)
    except ValueError:
        raise ValueError("expected true, or the client id of a user-assigned identity in quotes") from None


Authority = Annotated[
    str, BeforeValidator(parse_authority), WithJsonSchema({"type": "string", "pattern": "^https://[^/@?#]+/?$"})
]
Scope = Annotated[
    str, BeforeValidator(parse_scope), WithJsonSchema({"type": "string", "pattern": r"^[^ ]+/\.default$"})
]
Identity = Annotated[
    Any, PlainValidator(parse_identity), WithJsonSchema({"anyOf": [{"type": "boolean"}, {"type": "string"}]})
]


class EntraCredentials(Model):
    """A bearer token of Microsoft Entra ID in each request, shared; needs `pip install 'tls-broker[azure]'`."""

    type: Literal["entra"] = Field(description="A token of Microsoft Entra ID.")
    scope: Scope = Field(description="What the token is for, such as https://contoso.operations.dynamics.com/.default.")
    tenant: Guid | None = setting(None, "The directory (tenant); for workload_identity, absent: `AZURE_TENANT_ID`.")
    client_id: Guid | None = setting(None, "The application; for workload_identity, absent: `AZURE_CLIENT_ID`.")
    client_secret: SecretRef | None = setting(None, "Where the application's client secret is.")
    certificate: SecretRef | None = setting(
        None, "In place of a secret: PKCS#12, or PEM with, unless `key` is given, its private key. RSA."
    )
    key: SecretRef | None = setting(None, "Where the private key of the certificate is, PEM, when it stands alone.")
    passphrase: SecretRef | None = setting(None, "Where the passphrase of the PKCS#12 file or of the key is.")
    workload_identity: bool = setting(False, "Use the pod's federated service account, by the `AZURE_*` variables.")
    managed_identity: Identity = setting(
        False, "Use the managed identity of where the broker runs; the client id of a user-assigned one in its place."
    )
    authority: Authority | None = setting(
        None, "Where tokens come from, for sovereign clouds; absent: `AZURE_AUTHORITY_HOST`, else the public cloud."
    )
    ca: FilePath | None = setting(None, "PEM certificates to trust; absent: those of the system.")
    proxy: Proxy | None = setting(None, "An HTTP proxy on the way there; absent: what the environment says.")
    timeout: Timeout = setting("10s", "How long one token request may take.")

    @model_validator(mode="after")
    def _one_identity(self) -> Self:
        ways = {
            "client_secret": self.client_secret is not None,
            "certificate": self.certificate is not None,
            "workload_identity": self.workload_identity,
            "managed_identity": self.managed_identity is not False,
        }
        chosen = [name for name, given in ways.items() if given]
        if len(chosen) != 1:
            given = f", not {' and '.join(chosen)}" if chosen else ""
            raise ValueError(f"needs one of {', '.join(ways)}{given}")
        self._complete(chosen[0])
        return self

    def _complete(self, way: str) -> None:
        registered = way in ("client_secret", "certificate")
        for name in ("tenant", "client_id"):
            if registered and getattr(self, name) is None:
                raise ValueError(f"`{way}` needs `{name}`")
            if way == "managed_identity" and getattr(self, name) is not None:
                raise ValueError(f"`managed_identity` has no `{name}`; write `managed_identity: <client id>`")
        for name in ("key", "passphrase"):
            if way != "certificate" and getattr(self, name) is not None:
                raise ValueError(f"`{name}` belongs to a `certificate`")
