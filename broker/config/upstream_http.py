"""How HTTP is spoken with a service that was never told about RFC 9112."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from broker.config.base import Model, setting
from broker.config.faults import did_you_mean
from broker.config.http_fields import HeaderName
from broker.config.scalars import Size
from broker.core.quirks import Quirk


def _quirk(value: object) -> Quirk:
    if isinstance(value, Quirk):
        return value
    known = [str(quirk) for quirk in Quirk]
    if value not in known:
        raise ValueError("unknown quirk" + (did_you_mean(value, known) if isinstance(value, str) else ""))
    return Quirk(str(value))


def _version(value: object) -> object:
    if isinstance(value, float):
        raise ValueError('expected "1.0" or "1.1", in quotes')
    return value


QuirkName = Annotated[
    Quirk, BeforeValidator(_quirk), WithJsonSchema({"type": "string", "enum": [str(quirk) for quirk in Quirk]})
]
Version = Annotated[Literal["1.0", "1.1"], BeforeValidator(_version)]


class UpstreamHttp(Model):
    """What is different about the HTTP of a service; docs/http-quirks.md says what helps against what."""

    version: Version = setting("1.1", "The version of the requests; 1.0 sends no chunked body.")
    lenient: list[QuirkName] = Field(
        default_factory=list, description="What is put up with in answers, each by name; nothing else is."
    )
    request_body: Literal["stream", "content_length"] | None = setting(
        None,
        "What becomes of a body without a length. stream: sent chunked, as it comes. content_length: held back until "
        "its length is known. Absent: stream, or content_length for version 1.0.",
    )
    buffer: Size = setting("1MiB", "How much of a body that is held back is held in memory.")
    spool: Size = setting(
        "1GiB", "How large a body that is held back may be; above `buffer` it is in a temporary file."
    )
    header_case: list[HeaderName] = Field(
        default_factory=list, description="Names of headers as the service wants them spelled, such as SOAPAction."
    )
    keep_alive: bool | None = setting(
        None,
        "false: a connection for each request, with `Connection: close`. true: asks for `keep-alive` in HTTP/1.0, too. "
        "Absent: as the version has it.",
    )

    @property
    def holds_bodies(self) -> bool:
        """Whether a body without a length is held back."""
        return (self.request_body or ("content_length" if self.version == "1.0" else "stream")) == "content_length"
