"""Who may call: one small class for each way to prove it."""

from typing import Annotated, Literal

from pydantic import Field, PlainValidator, WithJsonSchema

from broker.config.base import setting
from broker.config.caller_base import CallerModel
from broker.config.callers_entra import EntraJwtCaller
from broker.config.callers_hmac import HmacCaller
from broker.config.callers_mtls import MtlsCaller
from broker.config.http_fields import SecretHeader
from broker.config.scalars import Name, Network
from broker.config.secret_ref import SecretRef, is_ref


def parse_username(value: object) -> str | SecretRef:
    """A user name, or where to find it; raises `ValueError`, which does not repeat it."""
    if isinstance(value, SecretRef):
        return value
    if not isinstance(value, str) or not value:
        raise ValueError("expected a user name in text, or a reference such as env:NAME")
    if is_ref(value):
        return SecretRef.parse(value)
    if ":" in value or any(ord(char) < 32 for char in value):
        raise ValueError("a user name holds no colon and no control characters (RFC 7617)")
    return value


def parse_parameter(value: object) -> str:
    """The name of a query parameter; raises `ValueError`."""
    if not isinstance(value, str) or not value or any(char in "&=#+% \t\r\n;" or ord(char) > 126 for char in value):
        raise ValueError("expected the name of a query parameter as it is when decoded, such as code")
    return value


Username = Annotated[
    str | SecretRef, PlainValidator(parse_username), WithJsonSchema({"type": "string", "minLength": 1})
]
Parameter = Annotated[str, PlainValidator(parse_parameter), WithJsonSchema({"type": "string", "minLength": 1})]


class ApiKeyCaller(CallerModel):
    """A caller that sends a key in a header, or in the query where it can send no header."""

    type: Literal["api_key"] = Field(description="A key in a header or in the query.")
    header: SecretHeader | None = setting(
        None, "The header that carries the key; it is not forwarded. Absent: X-Api-Key, unless `query` is given."
    )
    query: Parameter | None = setting(
        None, "The query parameter that carries the key, for webhooks; it is not forwarded and not logged."
    )
    key: SecretRef | None = setting(None, "Where the key is: env:NAME or file:PATH.")
    keys: list[SecretRef] = Field(
        default_factory=list, description="In place of `key`: several keys, any of which will do, to change them."
    )

    @property
    def references(self) -> list[SecretRef]:
        """Where all the keys are."""
        return [self.key, *self.keys] if self.key is not None else list(self.keys)

    @property
    def field(self) -> str:
        """The header that carries the key, where one does."""
        return self.header or "X-Api-Key"


class BasicCaller(CallerModel):
    """A caller that sends a user name and a password (RFC 7617)."""

    type: Literal["basic"] = Field(description="HTTP Basic authentication.")
    username: Username = Field(description="The user name, or where it is.")
    password: SecretRef = Field(description="Where the password is: env:NAME or file:PATH.")


class IpCaller(CallerModel):
    """A caller that is known by its address; behind `trusted_proxies`, by the address that they name."""

    type: Literal["ip"] = Field(description="The caller's address.")
    allow: list[Network] = Field(min_length=1, description="Networks, such as 10.0.0.0/8; one of them must hold it.")


class AllOfCaller(CallerModel):
    """A caller that proves itself in several ways at once."""

    type: Literal["all_of"] = Field(description="Several proofs at once.")
    of: list[Name] = Field(min_length=2, description="Names of other callers, all of which must hold.")


Caller = Annotated[
    ApiKeyCaller | BasicCaller | MtlsCaller | EntraJwtCaller | HmacCaller | IpCaller | AllOfCaller,
    Field(discriminator="type"),
]
"""Add a kind of caller: write its class, and name it here."""
