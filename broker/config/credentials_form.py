"""A login form: the session's cookies are the credential."""

import re
from typing import Annotated, Final, Literal

from pydantic import BeforeValidator, Field, PlainValidator, WithJsonSchema, model_validator

from broker.config.base import Model, setting
from broker.config.http_fields import TOKEN, parse_header_name, parse_url_path
from broker.config.secret_ref import SecretRef, is_ref

_SECRET_NAME: Final = re.compile(r"pass|pwd|passwd|kennwort|secret|token|\bpin\b", re.IGNORECASE)
_QUERY: Final = re.compile(r"[!-\"$-~]*\Z")


def _target(value: object) -> str:
    path, mark, query = value.partition("?") if isinstance(value, str) else ("", "", "")
    parse_url_path(path)
    if not _QUERY.match(query):
        raise ValueError("a query holds printable ASCII only, everything else as %XX")
    return path + mark + query


def _location(value: object) -> str:
    if isinstance(value, str) and re.match(r"https?://[!-~]+\Z", value):
        return value
    return parse_url_path(value)


def _prefetch(value: object) -> bool | str:
    return value if isinstance(value, bool) else _target(value)


def _fields(value: object) -> dict[str, str | SecretRef]:
    if not isinstance(value, dict) or not value:
        raise ValueError("expected the names of the form's fields, each with its value")
    return {str(name): _field(str(name), item) for name, item in value.items()}


def _field(name: str, value: object) -> str | SecretRef:
    if isinstance(value, SecretRef):
        return value
    if not isinstance(value, str):
        raise ValueError(f"{name}: expected text, or a reference such as env:NAME; put numbers in quotes")
    if is_ref(value) or _SECRET_NAME.search(name):
        try:
            return SecretRef.parse(value)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
    return value


_PATH_SCHEMA: Final = WithJsonSchema({"type": "string", "pattern": "^/[!-~]*$"})
_TEXTS: Final = {"type": "object", "minProperties": 1, "additionalProperties": {"type": "string"}}

Target = Annotated[str, BeforeValidator(_target), _PATH_SCHEMA]
Location = Annotated[
    str, BeforeValidator(_location), WithJsonSchema({"type": "string", "pattern": "^(/|https?://)[!-~]*$"})
]
Status = Annotated[int, Field(ge=100, le=599)]
CookieName = Annotated[str, BeforeValidator(parse_header_name), WithJsonSchema({"type": "string", "pattern": TOKEN})]


class LoginExpired(Model):
    """How an answer shows that the session is gone; one sign is enough."""

    status: list[Status] = setting([401], "Statuses of such an answer.")
    location: Location | None = setting(
        None, "The path, or the beginning of the URL, that such an answer redirects to; absent: the path of `url`."
    )
    body: Annotated[str, Field(min_length=1)] | None = setting(
        None,
        "Text that stands in the first 16 KiB of such an answer, whatever its status. Answers are then asked for "
        "uncompressed.",
    )


class LoginSuccess(Model):
    """How the answer to the login shows that it worked; all signs given must show."""

    status: list[Status] = Field(default_factory=list, description="Statuses of such an answer.")
    location: Location | None = setting(
        None, "The path, or the beginning of the URL, that such an answer redirects to."
    )
    body: Annotated[str, Field(min_length=1)] | None = setting(None, "Text that stands in such an answer.")
    cookie: CookieName | None = setting(None, "A cookie that such an answer sets.")

    @model_validator(mode="after")
    def _something(self) -> "LoginSuccess":
        if not (self.status or self.location or self.body or self.cookie):
            raise ValueError("give at least one of status, location, body, cookie")
        return self


class FormLoginCredentials(Model):
    """A login by form; its session is shared by all calls of the route, and renewed when the service ends it."""

    type: Literal["form_login"] = Field(description="A login form; the session's cookies go into each request.")
    url: Target = Field(description="Where the form is sent to: a path of the upstream, with a query if need be.")
    method: Literal["POST"] = setting("POST", "How the form is sent; only POST keeps the password out of logs.")
    fields: Annotated[dict[str, str | SecretRef], PlainValidator(_fields), WithJsonSchema(_TEXTS)] = Field(
        description="The form's fields, each with its value or where that is; a password is always a reference."
    )
    prefetch: Annotated[
        bool | str, PlainValidator(_prefetch), WithJsonSchema({"anyOf": [{"type": "boolean"}, {"type": "string"}]})
    ] = setting(
        False,
        "Whether to get the page first, for the hidden fields of its form and its cookies; a path where the page is "
        "not at `url`.",
    )
    expired_when: LoginExpired = Field(
        default_factory=LoginExpired, description="How an answer shows that the session is gone."
    )
    success_when: LoginSuccess | None = setting(
        None,
        "How the answer to the login shows that it worked. Absent: no error status, no redirect back to the form, no "
        "page that asks for a password again, and a cookie.",
    )
    cookies: list[CookieName] = Field(
        default_factory=list, description="The cookies that make the session; absent: all that the login sets."
    )
