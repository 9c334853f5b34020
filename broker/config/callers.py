"""Who may call: one small class for each way to prove it."""

from typing import Annotated, Literal

from pydantic import Field, PlainValidator, WithJsonSchema

from broker.config.base import Model, setting
from broker.config.http_fields import SecretHeader
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


Username = Annotated[
    str | SecretRef, PlainValidator(parse_username), WithJsonSchema({"type": "string", "minLength": 1})
]


class ApiKeyCaller(Model):
    """A caller that sends a key in a header."""

    type: Literal["api_key"] = Field(description="A key in a header.")
    header: SecretHeader = setting("X-Api-Key", "The header that carries the key; it is not forwarded.")
    key: SecretRef = Field(description="Where the key is: env:NAME or file:PATH.")


class BasicCaller(Model):
    """A caller that sends a user name and a password (RFC 7617)."""

    type: Literal["basic"] = Field(description="HTTP Basic authentication.")
    username: Username = Field(description="The user name, or where it is.")
    password: SecretRef = Field(description="Where the password is: env:NAME or file:PATH.")


Caller = Annotated[ApiKeyCaller | BasicCaller, Field(discriminator="type")]
"""Add a kind of caller: write its class, and name it here."""
