"""Settings of Digest credentials."""

from typing import Literal

from pydantic import Field

from broker.config.base import Model, setting
from broker.config.callers import Username
from broker.config.secret_ref import SecretRef


class DigestCredentials(Model):
    """A user name and a password, proved with a hash (RFC 7616); the algorithm is the upstream's choice."""

    type: Literal["digest"] = Field(description="HTTP Digest authentication.")
    username: Username = Field(description="The user name, or where it is.")
    password: SecretRef = Field(description="Where the password is: env:NAME or file:PATH.")
    auth_int: bool = setting(
        False, "Keep each body before it is sent: for upstreams that take Digest with qop=auth-int only."
    )
