"""Settings of the credentials of Windows domains: NTLM and Negotiate."""

import re
from typing import Annotated, Final, Literal, Self

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from broker.config.base import Model, setting
from broker.config.callers import Username
from broker.config.secret_ref import SecretRef

_DOMAIN: Final = r"^[^\x00-\x20\\/:*?\"<>|@,]{1,255}$"
_WORKSTATION: Final = r"^[A-Za-z0-9._-]{1,63}$"
_SPN: Final = r"^[A-Za-z0-9_-]+/[A-Za-z0-9._:-]+$"


def parse_switch(value: object) -> str:
    """`auto` or `off`; raises `ValueError`."""
    # YAML 1.1 reads a bare `off` as false.
    if value is False:
        return "off"
    if value not in ("auto", "off"):
        raise ValueError("expected auto or off")
    return str(value)


def parse_domain(value: object) -> str:
    """The name of a domain, NetBIOS or DNS; raises `ValueError`."""
    return _matching(value, _DOMAIN, "expected the name of a domain, such as CORP or corp.example")


def parse_workstation(value: object) -> str:
    """The name of a computer; raises `ValueError`."""
    return _matching(value, _WORKSTATION, "expected the name of a computer: letters, digits, dots and hyphens")


def parse_spn(value: object) -> str:
    """A service principal name; raises `ValueError`."""
    return _matching(value, _SPN, "expected a service and a host, such as HTTP/wms.corp.example, without a realm")


def _matching(value: object, pattern: str, message: str) -> str:
    if not isinstance(value, str) or not re.match(pattern.removesuffix("$") + r"\Z", value):
        raise ValueError(message)
    return value


Switch = Annotated[
    Literal["auto", "off"], BeforeValidator(parse_switch), WithJsonSchema({"enum": ["auto", "off", False]})
]
Domain = Annotated[str, BeforeValidator(parse_domain), WithJsonSchema({"type": "string", "pattern": _DOMAIN})]
Workstation = Annotated[
    str, BeforeValidator(parse_workstation), WithJsonSchema({"type": "string", "pattern": _WORKSTATION})
]
Spn = Annotated[str, BeforeValidator(parse_spn), WithJsonSchema({"type": "string", "pattern": _SPN})]


class _WindowsCredentials(Model):
    """What NTLM and Negotiate have in common."""

    username: Username = Field(description="The user name, or where it is: user, DOMAIN\\user or user@realm.")
    password: SecretRef = Field(description="Where the password is: env:NAME or file:PATH.")
    domain: Domain | None = setting(None, "The domain of a user name that stands alone.")
    workstation: Workstation | None = setting(
        None, "The computer that NTLM names as the client; absent: the name of this host."
    )
    channel_binding: Switch = setting(
        "auto", "Whether the login is bound to the TLS connection, as Extended Protection asks: auto or off."
    )

    @model_validator(mode="after")
    def _one_domain(self) -> Self:
        name = self.username
        if self.domain is not None and isinstance(name, str) and ("\\" in name or "@" in name):
            raise ValueError("the user name holds its domain already: leave out `domain`, or write the name alone")
        return self


class NtlmCredentials(_WindowsCredentials):
    """A user of a Windows domain or server, proved with NTLMv2."""

    type: Literal["ntlm"] = Field(description="NTLM, for each connection to the upstream.")


class NegotiateCredentials(_WindowsCredentials):
    """A user of a Windows domain, proved with Kerberos where that is possible, else with NTLMv2."""

    type: Literal["negotiate"] = Field(description="Negotiate (SPNEGO): Kerberos, else NTLM.")
    spn: Spn | None = setting(None, "The upstream's service principal name; absent: HTTP/ and the upstream's host.")
