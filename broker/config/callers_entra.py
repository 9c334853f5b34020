"""Callers that show a token of Microsoft Entra ID, or of another issuer that works alike."""

import re
from ipaddress import ip_address
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, WithJsonSchema

from broker.config.base import setting
from broker.config.caller_base import CallerModel
from broker.config.scalars import Duration, FilePath, Timeout

_GUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")
MICROSOFT: Final = "https://login.microsoftonline.com"


def parse_guid(value: object) -> str:
    """A GUID in lower case; raises `ValueError`."""
    if not isinstance(value, str) or not _GUID.match(value.lower()):
        raise ValueError("expected a GUID such as 72f988bf-86f1-41af-91ab-2d7cd011db47, in quotes")
    return value.lower()


def parse_url(value: object) -> str:
    """An https URL as it was written; http only towards this machine. Raises `ValueError`."""
    try:
        parts = urlsplit(value if isinstance(value, str) else "")
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        raise ValueError("expected a URL such as https://login.microsoftonline.com") from None
    if parts.scheme not in ("https", "http") or not host or "@" in parts.netloc or parts.query or parts.fragment:
        raise ValueError("expected a URL such as https://login.microsoftonline.com")
    if parts.scheme == "http" and not _is_here(host):
        raise ValueError("expected https://: whoever changes the keys on their way could sign any token")
    return str(value)


def _is_here(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


_URL_SCHEMA: Final = WithJsonSchema({"type": "string", "pattern": "^https?://"})
Guid = Annotated[
    str,
    BeforeValidator(parse_guid),
    WithJsonSchema({"type": "string", "pattern": "^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$"}),
]
Url = Annotated[str, BeforeValidator(parse_url), _URL_SCHEMA]
Audiences = Annotated[
    list[Annotated[str, Field(min_length=1)]],
    Field(min_length=1),
    BeforeValidator(_listed),
    WithJsonSchema(
        {"anyOf": [{"type": "string", "minLength": 1}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]}
    ),
]
Algorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"]


def _default_algorithms() -> list[Algorithm]:
    return ["RS256"]


class EntraJwtCaller(CallerModel):
    """A caller that shows a bearer token (RFC 6750), issued by Microsoft Entra ID or alike; v1.0 and v2.0."""

    type: Literal["entra_jwt"] = Field(description="A signed token in the Authorization header.")
    tenant: Guid | None = setting(None, "The directory (tenant) that issues the tokens; absent only with `issuer`.")
    audience: Audiences = Field(description="Whom the tokens are for, with or without api://; one of them must fit.")
    app_ids: list[Guid] = Field(
        default_factory=list, description="Client ids (appid, azp), one of which must have asked for the token."
    )
    roles: list[Annotated[str, Field(min_length=1)]] = Field(
        default_factory=list, description="App roles that the token must have, all of them."
    )
    issuer: Url | None = setting(None, "For issuers other than Entra ID: the `iss` of the tokens, to the letter.")
    jwks_url: Url | None = setting(None, "Where the keys are; absent: found by OpenID discovery.")
    authority: Url = setting(MICROSOFT, "Where Entra ID is; others for sovereign clouds.")
    algorithms: list[Algorithm] = Field(
        default_factory=_default_algorithms,
        min_length=1,
        description="Algorithms of signatures; absent: RS256. Of the families RS, PS and ES only.",
    )
    leeway: Duration = setting("60s", "How far clocks may differ.")
    refresh: Timeout = setting("12h", "How old the keys may be before they are fetched again, in the background.")
    retry: Timeout = setting("30s", "Least time between two fetches for the sake of a key that is not known.")
    ca: FilePath | None = setting(None, "PEM certificates to trust when fetching keys; absent: those of the system.")
