"""The whole of routes.yaml as values; attribute names are the keys of the file.

Durations are seconds (float), sizes bytes (int), paths absolute when loaded from a file.
"""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from broker.config.address import BindAddress, Target
from broker.config.base import Model, setting
from broker.config.callers import AllOfCaller, ApiKeyCaller, BasicCaller, Caller, IpCaller
from broker.config.callers_entra import EntraJwtCaller
from broker.config.callers_hmac import HmacCaller
from broker.config.callers_mtls import MtlsCaller
from broker.config.credentials import (
    ApiKeyCredentials,
    BasicCredentials,
    BearerCredentials,
    ClientCertificateCredentials,
    Credentials,
    HeaderCredentials,
    OneCredential,
)
from broker.config.credentials_digest import DigestCredentials
from broker.config.credentials_entra import EntraCredentials
from broker.config.credentials_form import FormLoginCredentials
from broker.config.credentials_oauth2 import OAuth2Credentials
from broker.config.credentials_windows import NegotiateCredentials, NtlmCredentials
from broker.config.credentials_wsse import WsseCredentials
from broker.config.limits import IdempotencyKeys, Limits
from broker.config.listeners import Certificate, Listener, ListenerLimits, ListenerTimeouts, ListenerTls
from broker.config.reload import Reload
from broker.config.routes import Match, Route
from broker.config.scalars import Duration, Name
from broker.config.secret_ref import SecretRef
from broker.config.secrets import Secrets
from broker.config.upstream_http import UpstreamHttp
from broker.config.upstream_tls import ClientCertificate, UpstreamTls
from broker.config.upstreams import Pool, Upstream, UpstreamTimeouts


def _plain_integer(value: object) -> object:
    # To pydantic True equals 1, and YAML reads `yes` as True.
    if type(value) is not int:
        raise ValueError("expected 1")
    return value


class Admin(Model):
    """The control plane: health, metrics, status."""

    bind: BindAddress = setting("127.0.0.1:9090", "HOST:PORT of the admin API; plain HTTP, so keep it local.")


class Log(Model):
    """What is logged, on standard output."""

    access: bool = setting(True, "One line for each request.")
    level: Literal["debug", "info", "warning", "error"] = setting("info", "Least level of the other lines.")


class Config(Model):
    """The whole file."""

    version: Annotated[Literal[1], BeforeValidator(_plain_integer)] = Field(description="The version of this format.")
    admin: Admin = Field(default_factory=Admin, description="The control plane.")
    secrets: Secrets = Field(default_factory=Secrets, description="Where secrets are kept.")
    log: Log = Field(default_factory=Log, description="What is logged.")
    reload: Reload = Field(default_factory=Reload, description="When this file is read again.")
    limits: Limits = Field(default_factory=Limits, description="How much the whole process takes on.")
    idempotency_keys: IdempotencyKeys = Field(
        default_factory=IdempotencyKeys, description="How requests with an `Idempotency-Key` are remembered."
    )
    drain_grace: Duration = setting(
        "1s", "How long callers may go on connecting after SIGTERM withdrew readiness, until the listeners close."
    )
    drain_timeout: Duration = setting("30s", "How long calls under way may go on when the broker stops.")
    listeners: dict[Name, Listener] = Field(min_length=1, description="Where callers connect, by name.")
    upstreams: dict[Name, Upstream] = Field(description="The services that are called, by name.")
    callers: dict[Name, Caller] = Field(default_factory=dict, description="Who may call, by name.")
    routes: list[Route] = Field(min_length=1, description="Which requests go where; their order does not matter.")

    def listener_of(self, route: Route) -> str:
        """The name of the listener that `route` belongs to: its own, or the only one there is."""
        return route.listener or next(iter(self.listeners))


__all__ = [
    "Admin",
    "AllOfCaller",
    "ApiKeyCaller",
    "ApiKeyCredentials",
    "BasicCaller",
    "BasicCredentials",
    "BearerCredentials",
    "BindAddress",
    "Caller",
    "Certificate",
    "ClientCertificate",
    "ClientCertificateCredentials",
    "Config",
    "Credentials",
    "DigestCredentials",
    "EntraCredentials",
    "EntraJwtCaller",
    "FormLoginCredentials",
    "HeaderCredentials",
    "HmacCaller",
    "IdempotencyKeys",
    "IpCaller",
    "Limits",
    "Listener",
    "ListenerLimits",
    "ListenerTimeouts",
    "ListenerTls",
    "Log",
    "Match",
    "MtlsCaller",
    "NegotiateCredentials",
    "NtlmCredentials",
    "OAuth2Credentials",
    "OneCredential",
    "Pool",
    "Reload",
    "Route",
    "SecretRef",
    "Secrets",
    "Target",
    "Upstream",
    "UpstreamHttp",
    "UpstreamTimeouts",
    "UpstreamTls",
    "WsseCredentials",
]
