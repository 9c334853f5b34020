"""Tokens of an OAuth 2.0 server: the client credentials grant."""

from ipaddress import ip_address
from typing import Annotated, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from broker.config.base import Model, setting
from broker.config.callers import Username
from broker.config.scalars import FilePath, Timeout
from broker.config.secret_ref import SecretRef

_OWN: Final = frozenset(
    {
        "grant_type",
        "client_id",
        "client_secret",
        "client_assertion",
        "client_assertion_type",
        "scope",
        "resource",
        "audience",
    }
)
_EXAMPLE: Final = "expected a URL such as https://login.example.com/oauth2/token"


def parse_token_url(value: object) -> str:
    """An https URL as it was written; http only towards this machine. Raises `ValueError`, which does not repeat it."""
    text = value if isinstance(value, str) else ""
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        raise ValueError(_EXAMPLE) from None
    if parts.scheme not in ("https", "http") or not host or parts.fragment or not _clean(text):
        raise ValueError(_EXAMPLE)
    if "@" in parts.netloc:
        raise ValueError("a URL with a user name or password in it; write `client_id` and `client_secret` instead")
    if parts.scheme == "http" and not _is_here(host):
        raise ValueError("expected https://: who reads along would have the secret and the token")
    return text


def parse_proxy(value: object) -> str:
    """`http://HOST:PORT`; raises `ValueError`, which does not repeat it."""
    text = value if isinstance(value, str) else ""
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or parts.scheme != "http" or "@" in parts.netloc or parts.path.strip("/") or not _clean(text):
        raise ValueError("expected the URL of a proxy such as http://proxy.example.com:3128, without a user name")
    return text


def _clean(text: str) -> bool:
    return text.isascii() and text.isprintable() and " " not in text


def _is_here(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _parameters(value: object) -> object:
    names = value if isinstance(value, dict) else {}
    taken = sorted(_OWN.intersection(map(str, names)))
    if taken:
        raise ValueError(f"{', '.join(taken)}: the broker itself sends this; see the settings beside `parameters`")
    return value


TokenUrl = Annotated[
    str, BeforeValidator(parse_token_url), WithJsonSchema({"type": "string", "pattern": "^https?://[^@#]+$"})
]
Proxy = Annotated[str, BeforeValidator(parse_proxy), WithJsonSchema({"type": "string", "pattern": "^http://[^@]+$"})]
Text = Annotated[str, Field(min_length=1)]
Parameters = Annotated[dict[Text, Username], BeforeValidator(_parameters)]


class OAuth2Credentials(Model):
    """A bearer token in each request, had by the client credentials grant (RFC 6749 section 4.4) and shared."""

    type: Literal["oauth2"] = Field(description="A token of an OAuth 2.0 server.")
    token_url: TokenUrl = Field(description="The token endpoint; https, or http on this machine.")
    client_id: Text = Field(description="As whom the broker is registered there.")
    client_secret: SecretRef | None = setting(None, "Where the client secret is.")
    auth: Literal["client_secret_basic", "client_secret_post", "private_key_jwt"] | None = setting(
        None, "How the broker proves who it is; absent: client_secret_basic, with a certificate or key private_key_jwt."
    )
    certificate: SecretRef | None = setting(
        None, "For private_key_jwt: PKCS#12, or PEM with, unless `key` is given, its private key."
    )
    key: SecretRef | None = setting(None, "For private_key_jwt: the private key in PEM, when it stands alone.")
    passphrase: SecretRef | None = setting(None, "Where the passphrase of the PKCS#12 file or of the key is.")
    algorithm: Literal["PS256", "RS256", "ES256"] | None = setting(
        None, "How assertions are signed; absent: PS256, with an elliptic key ES256."
    )
    assertion_audience: Text | None = setting(None, "The `aud` of assertions; absent: token_url.")
    key_id: Text | None = setting(None, "The `kid` of assertions; absent: none, a certificate shows in `x5t`.")
    scope: Text | None = setting(None, "Scopes to ask for, separated by blanks.")
    resource: Text | None = setting(None, "The service that the token is for (RFC 8707).")
    audience: Text | None = setting(None, "The same, in the way of some servers.")
    parameters: Parameters = Field(
        default_factory=dict, description="More parameters of the token request: text, or where it is, as in env:NAME."
    )
    lifetime: Timeout | None = setting(None, "How long tokens are good where the server does not say (expires_in).")
    ca: FilePath | None = setting(None, "PEM certificates to trust; absent: those of the system.")
    proxy: Proxy | None = setting(None, "An HTTP proxy on the way to the token endpoint; absent: none.")
    timeout: Timeout = setting("10s", "How long one token request may take.")

    @property
    def method(self) -> str:
        """How the broker proves who it is."""
        signs = self.certificate is not None or self.key is not None
        return self.auth or ("private_key_jwt" if signs else "client_secret_basic")

    @model_validator(mode="after")
    def _material(self) -> Self:
        signs = self.certificate is not None or self.key is not None
        if signs and self.client_secret is not None:
            raise ValueError("one proof is enough: either `client_secret`, or `certificate` or `key`")
        if self.method == "private_key_jwt" and not signs:
            raise ValueError("private_key_jwt needs a `certificate`, or a `key`")
        if self.method != "private_key_jwt":
            self._secret(signs)
        return self

    def _secret(self, signs: bool) -> None:
        if signs:
            raise ValueError(f"{self.method} has no use for a certificate or key; `auth: private_key_jwt` has")
        if self.client_secret is None:
            raise ValueError(f"{self.method} needs a `client_secret`")
        for name in ("passphrase", "algorithm", "assertion_audience", "key_id"):
            if getattr(self, name) is not None:
                raise ValueError(f"`{name}` is for private_key_jwt only")
