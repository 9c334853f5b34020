"""What the broker proves to a service on behalf of callers: one small class for each way."""

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Discriminator, Field, Tag, WithJsonSchema, model_validator

from broker.config.base import Model, setting
from broker.config.callers import Username
from broker.config.credentials_digest import DigestCredentials
from broker.config.credentials_entra import EntraCredentials
from broker.config.credentials_form import FormLoginCredentials
from broker.config.credentials_oauth2 import OAuth2Credentials
from broker.config.credentials_windows import NegotiateCredentials, NtlmCredentials
from broker.config.credentials_wsse import WsseCredentials
from broker.config.http_fields import TOKEN, SecretHeader, parse_header_name
from broker.config.secret_ref import SecretRef

TokenName = Annotated[str, BeforeValidator(parse_header_name), WithJsonSchema({"type": "string", "pattern": TOKEN})]


class BasicCredentials(Model):
    """A user name and a password in each request (RFC 7617)."""

    type: Literal["basic"] = Field(description="HTTP Basic authentication.")
    username: Username = Field(description="The user name, or where it is.")
    password: SecretRef = Field(description="Where the password is: env:NAME or file:PATH.")


class BearerCredentials(Model):
    """A token in each request (RFC 6750)."""

    type: Literal["bearer"] = Field(description="A bearer token.")
    token: SecretRef = Field(description="Where the token is: env:NAME or file:PATH.")


class ApiKeyCredentials(Model):
    """A key in a header, in the query, or in a cookie of each request."""

    type: Literal["api_key"] = Field(description="A key in a header, in the query or in a cookie.")
    header: SecretHeader | None = setting(None, "The header that carries the key; absent: X-Api-Key.")
    query: Annotated[str, Field(min_length=1)] | None = setting(
        None, "The query parameter that carries the key, in place of a header."
    )
    cookie: TokenName | None = setting(None, "The cookie that carries the key, in place of a header.")
    key: SecretRef = Field(description="Where the key is: env:NAME or file:PATH.")

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if sum(place is not None for place in (self.header, self.query, self.cookie)) > 1:
            raise ValueError("the key goes into one place: a header, the query or a cookie")
        return self


class HeaderCredentials(Model):
    """Several headers in each request, each with its secret."""

    type: Literal["headers"] = Field(description="Several headers, each with a secret.")
    headers: dict[SecretHeader, SecretRef] = Field(
        min_length=1, description="Name of each header, and where its value is."
    )

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        if len({name.lower() for name in self.headers}) < len(self.headers):
            raise ValueError("a header is named twice; case makes no difference")
        return self


class ClientCertificateCredentials(Model):
    """A certificate in the TLS handshake."""

    type: Literal["client_certificate"] = Field(description="A client certificate, PEM or PKCS#12 (PFX).")
    certificate: SecretRef = Field(
        description="Where the certificate is: PKCS#12, or PEM with its chain and, unless `key` is given, its key."
    )
    key: SecretRef | None = setting(None, "Where the private key is, PEM, when it is not with the certificate.")
    passphrase: SecretRef | None = setting(None, "Where the passphrase of the PKCS#12 file or of the key is.")


OneCredential = Annotated[
    BasicCredentials
    | BearerCredentials
    | ApiKeyCredentials
    | HeaderCredentials
    | ClientCertificateCredentials
    | OAuth2Credentials
    | EntraCredentials
    | DigestCredentials
    | NtlmCredentials
    | NegotiateCredentials
    | FormLoginCredentials
    | WsseCredentials,
    Field(discriminator="type"),
]
"""Add a kind of credentials: write its class, and name it here."""


def _number(value: Any) -> str:
    return "[several]" if isinstance(value, list) else "[one]"


Credentials = Annotated[
    Annotated[OneCredential, Tag("[one]")] | Annotated[list[OneCredential], Field(min_length=1), Tag("[several]")],
    Discriminator(_number),
]
"""One credential, or several that are all brought in."""
