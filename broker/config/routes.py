"""Which requests go where, for whom, and with which credentials."""

from typing import Annotated, Final, Literal

from pydantic import BeforeValidator, Field, PlainValidator, WithJsonSchema, field_validator

from broker.config.base import Model, setting
from broker.config.credentials import Credentials
from broker.config.hosts import bracketed, parse_host
from broker.config.http_fields import (
    TOKEN,
    HeaderName,
    HeaderValue,
    Method,
    SoapAction,
    UrlPath,
    parse_header_name,
    parse_secret_header,
)
from broker.config.policy import PriorityName, RateSetting
from broker.config.scalars import Name, RouteName, Size, Timeout

WHO: Final = "say who may call: a list of callers, or `callers: public`"


def _host(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("expected a host name such as broker.contoso.com or *.contoso.com")
    wildcard, name = ("*.", value[2:]) if value.startswith("*.") else ("", value)
    host = parse_host(name.removesuffix("."))
    if wildcard and (":" in host or host[-1].isdigit()):
        raise ValueError("a wildcard stands before a name, not before an address")
    return wildcard + bracketed(host)


def _callers(value: object) -> str | list[str]:
    if value == "public":
        return "public"
    if not isinstance(value, list) or not value or not all(isinstance(item, str) for item in value):
        raise ValueError(WHO)
    return list(value)


def _caller_header(value: object) -> str:
    name = parse_header_name(value)
    try:
        return parse_secret_header(name)
    except ValueError:
        raise ValueError("this header steers the connection and cannot tell who calls") from None


Host = Annotated[str, BeforeValidator(_host), WithJsonSchema({"type": "string", "pattern": r"^[^/:?#@ ]+$|^\["})]
CallerHeader = Annotated[str, BeforeValidator(_caller_header), WithJsonSchema({"type": "string", "pattern": TOKEN})]
Callers = Annotated[
    Literal["public"] | list[str],
    PlainValidator(_callers),
    WithJsonSchema({"anyOf": [{"const": "public"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]}),
]


class Match(Model):
    """The requests that a route takes; every condition given must hold."""

    host: Host | None = setting(None, "Host of the request, such as broker.contoso.com or *.contoso.com.")
    path: UrlPath = setting("/", "A prefix when it ends in /, else the exact path.")
    methods: list[Method] = Field(
        default_factory=list, description="Methods; absent: all. TRACE and CONNECT are never forwarded."
    )
    soap_action: SoapAction | None = setting(
        None, "SOAPAction header, or the action parameter of SOAP 1.2; quotes around it do not count."
    )
    headers: dict[HeaderName, HeaderValue] = Field(
        default_factory=dict, description="Headers and the exact value that each must have."
    )

    @field_validator("methods")
    @classmethod
    def _distinct(cls, methods: list[str]) -> list[str]:
        return list(dict.fromkeys(methods))

    @field_validator("headers")
    @classmethod
    def _lower(cls, headers: dict[str, str]) -> dict[str, str]:
        lowered = {name.lower(): value for name, value in headers.items()}
        if len(lowered) < len(headers):
            raise ValueError("a header is named twice; case makes no difference")
        return lowered

    @property
    def conditions(self) -> int:
        """How many conditions there are besides path and host; more of them make a route more specific."""
        return bool(self.methods) + (self.soap_action is not None) + len(self.headers)


class Route(Model):
    """One way through the broker."""

    name: RouteName = Field(description="A unique name, for logs, metrics and error answers.")
    listener: Name | None = setting(None, "The listener it belongs to; may be absent when there is only one.")
    match: Match = Field(default_factory=Match, description="The requests it takes.")
    callers: Callers = Field(description="Names of the callers that may use it, or `public`.")
    caller_header: CallerHeader | None = setting(
        None, "A header that tells the upstream the caller's configured name; a field of that name is taken out."
    )
    upstream: Name = Field(description="The upstream that answers.")
    path: UrlPath | None = setting(
        None, "What the matched path becomes upstream, for a prefix the prefix only; absent: kept."
    )
    credentials: Credentials | None = setting(None, "What the broker proves to the upstream.")
    pass_through: bool = setting(
        False, "Whether what callers prove themselves with goes on to the upstream; else it ends at the broker."
    )
    deadline: Timeout | None = setting(
        None, "For the whole call; absent: 55s for SOAP, 90s for the rest, just below what F&O waits."
    )
    priority: PriorityName | None = setting(
        None, "Who is served first when the upstream is busy, unless the caller has its own; absent: medium."
    )
    rate: RateSetting | None = setting(None, "Calls to this route, such as 10/s; absent: no limit.")
    max_concurrency: int | None = setting(None, "Calls to this route under way at a time; absent: no limit.", ge=1)
    idempotent: bool | None = setting(
        None, "Whether a call may be made twice without harm; absent: as its method says (RFC 9110 section 9.2.2)."
    )
    idempotency_key: bool = setting(
        True,
        "Whether a request that repeats an `Idempotency-Key` gets the first answer; false: the header means nothing.",
    )
    max_body: Size | None = setting(None, "Largest request body; absent: no limit, bodies stream.")
