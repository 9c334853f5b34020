"""Callers that sign the body of each request."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from broker.config.base import setting
from broker.config.caller_base import CallerModel
from broker.config.http_fields import SecretHeader, parse_header_value
from broker.config.scalars import Size, Timeout
from broker.config.secret_ref import SecretRef

_Prefix = Annotated[str, BeforeValidator(parse_header_value), WithJsonSchema({"type": "string", "pattern": "^[ -~]*$"})]


class HmacCaller(CallerModel):
    """A caller that signs each request with HMAC-SHA256; the method and the path are not part of the signature."""

    type: Literal["hmac"] = Field(description="A signature over the body of each request.")
    header: SecretHeader = setting("X-Signature", "The header that carries the signature; it is not forwarded.")
    secret: SecretRef = Field(description="Where the shared secret is: env:NAME or file:PATH.")
    signed: Literal["timestamp_body", "stripe", "body"] = setting(
        "timestamp_body",
        "What is signed. timestamp_body: the time, a dot, the body, the time in `timestamp_header`. stripe: the same, "
        "the header is `t=…,v1=…`. body: the body alone, as GitHub has it.",
    )
    timestamp_header: SecretHeader = setting(
        "X-Timestamp", "For timestamp_body: the header with the time in seconds since 1970; it is not forwarded."
    )
    encoding: Literal["hex", "base64"] = setting("hex", "How the signature is written.")
    prefix: _Prefix = setting("", "What stands before the signature, such as sha256=.")
    window: Timeout = setting(
        "5m", "How far the time may be off, and how long (at least) a signature is not taken a second time."
    )
    once: bool = setting(True, "Whether a signature is taken only once; false for callers that repeat themselves.")
    max_body: Size = setting("10MiB", "Largest body that is held back until its signature is checked.", gt=0)
