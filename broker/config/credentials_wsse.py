"""A user name and a password in the SOAP header."""

from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from broker.config.base import Model, setting
from broker.config.callers import Username
from broker.config.scalars import Timeout
from broker.config.secret_ref import SecretRef


def _actor(value: object) -> object:
    if isinstance(value, str) and (not value or any(ord(char) < 33 or ord(char) > 126 for char in value)):
        raise ValueError("expected a URI")
    return value


Actor = Annotated[str, BeforeValidator(_actor), WithJsonSchema({"type": "string", "pattern": "^[!-~]+$"})]


class WsseCredentials(Model):
    """A WS-Security UsernameToken in the envelope of each SOAP call; requests without a body pass as they are."""

    type: Literal["wsse"] = Field(description="A WS-Security UsernameToken in the SOAP header.")
    username: Username = Field(description="The user name, or where it is.")
    password: SecretRef = Field(description="Where the password is: env:NAME or file:PATH.")
    password_type: Literal["digest", "text"] = setting(
        "digest",
        "digest: a hash of nonce, time and password. text: the password itself, for services that know no other.",
    )
    timestamp: bool = setting(True, "Whether a Timestamp says when the call was made and until when it counts.")
    ttl: Timeout = setting("5m", "How long the call counts, as the Timestamp says.")
    existing: Literal["replace", "keep"] = setting(
        "replace",
        "What becomes of a Security header for the same actor that comes with the envelope. keep: it stays, and "
        "nothing is added.",
    )
    actor: Actor | None = setting(
        None, "The actor that the header is for (SOAP 1.1), a URI; absent: as `role`, or the service itself."
    )
    role: Actor | None = setting(None, "The same for SOAP 1.2; absent: as `actor`.")
    must_understand: bool = setting(True, "Whether the service has to refuse the call if it does not know the header.")

    @model_validator(mode="after")
    def _used(self) -> Self:
        if "ttl" in self.model_fields_set and not self.timestamp:
            raise ValueError("ttl says how long the timestamp counts, and there is none (timestamp: false)")
        return self
