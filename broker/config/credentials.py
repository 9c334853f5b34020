"""What the broker proves to a service on behalf of callers: one small class for each way."""

from typing import Annotated, Literal

from pydantic import Field

from broker.config.base import Model, setting
from broker.config.callers import Username
from broker.config.http_fields import SecretHeader
from broker.config.secret_ref import SecretRef


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
    """A key in a header of each request."""

    type: Literal["api_key"] = Field(description="A key in a header.")
    header: SecretHeader = setting("X-Api-Key", "The header that carries the key.")
    key: SecretRef = Field(description="Where the key is: env:NAME or file:PATH.")


Credentials = Annotated[BasicCredentials | BearerCredentials | ApiKeyCredentials, Field(discriminator="type")]
"""Add a kind of credentials: write its class, and name it here."""
