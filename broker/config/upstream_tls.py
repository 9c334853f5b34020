"""TLS towards a service: a profile, and every option that a profile bundles."""

from datetime import date
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from broker.config.base import Model, setting
from broker.config.hosts import parse_host
from broker.config.scalars import FilePath, Pin

VERSIONS = ("SSLv3", "TLSv1.0", "TLSv1.1", "TLSv1.2", "TLSv1.3")


def _server_name(value: object) -> object:
    return parse_host(value) if isinstance(value, str) and value else value


def _version(value: object) -> object:
    return "TLSv1.0" if value == "TLSv1" else value


def _ciphers(value: object) -> object:
    if not isinstance(value, str):
        return value
    if not value.strip() or any(not 32 < ord(char) < 127 for char in value):
        raise ValueError("expected an OpenSSL cipher list such as RC4-SHA:DES-CBC3-SHA")
    if "@SECLEVEL" in value.upper():
        raise ValueError("the level goes into `security_level`, not into the cipher list")
    return value


ServerName = Annotated[str, BeforeValidator(_server_name)]
Version = Annotated[Literal["SSLv3", "TLSv1.0", "TLSv1.1", "TLSv1.2", "TLSv1.3"], BeforeValidator(_version)]
Ciphers = Annotated[str, BeforeValidator(_ciphers), WithJsonSchema({"type": "string", "minLength": 1})]
Protocols = Annotated[list[Annotated[str, Field(min_length=1, max_length=255)]], Field(max_length=8)]


class ClientCertificate(Model):
    """The certificate that the broker shows to a service, PEM."""

    chain: FilePath = Field(description="The certificate, then its issuers in order.")
    key: FilePath = Field(description="The private key of the certificate, not encrypted.")


class UpstreamTls(Model):
    """TLS towards a service; whatever is weak is named here and dated.

    The keys from `engine` to `session_reuse` are what a profile bundles; one that is written replaces the profile's.
    """

    profile: Literal["modern", "legacy", "obsolete"] = setting(
        "modern",
        "modern: TLS 1.2 and later. legacy: TLS 1.0 and later with old ciphers. obsolete: SSLv3, RC4, 3DES, any key.",
    )
    ca: FilePath | None = setting(None, "PEM certificates to trust for this upstream; absent: those of the system.")
    pin_sha256: list[Pin] = Field(
        default_factory=list,
        description="SHA-256 digests of certificates to accept; colons and upper case are fine.",
    )
    unsafe_skip_verify: bool = setting(
        False, "Accept any certificate: whoever sits in between can read and change everything."
    )
    server_name: ServerName | None = setting(
        None, 'Name to send (SNI) and to verify; absent: the host of the target; "" sends none.'
    )
    client_certificate: ClientCertificate | None = setting(
        None, "The certificate to show when the service asks for one, at once or after the request."
    )
    review_by: Annotated[date, Field(strict=False)] | None = setting(
        None, "Day on which this exception is looked at again, such as 2027-06-30."
    )
    require_close_notify: bool | None = setting(
        None, "Whether an answer that ends with the connection must end with a TLS close_notify."
    )
    engine: Literal["auto", "system", "private", "tlslite"] = setting(
        "auto",
        "Which TLS library. auto: system for modern and legacy; for obsolete the private OpenSSL where it was built, "
        "else tlslite.",
    )
    min_version: Version | None = setting(None, "Oldest version to accept: SSLv3, TLSv1.0 … TLSv1.3.")
    max_version: Version | None = setting(None, "Newest version to offer.")
    ciphers: Ciphers | None = setting(
        None, "OpenSSL cipher list for TLS 1.2 and older; anonymous and NULL suites are offered only when named here."
    )
    security_level: Annotated[int, Field(ge=0, le=5)] | None = setting(
        None, "OpenSSL's security level, 0 (anything) to 5; modern has 2, legacy and obsolete 0."
    )
    legacy_renegotiation: bool | None = setting(
        None, "Whether to speak to servers without secure renegotiation (RFC 5746)."
    )
    hello: Literal["full", "short", "bare"] | None = setting(
        None,
        "Shape of the ClientHello. short: few suites, no SNI and no optional extension. bare: also TLS 1.0 at most "
        "and no extension at all.",
    )
    alpn: Protocols | None = setting(None, "Protocols to offer (ALPN), such as [http/1.1]; [] sends none.")
    session_reuse: bool | None = setting(None, "Whether a new connection resumes the TLS session of an earlier one.")
