"""Callers that show a certificate of their own."""

from typing import Annotated, Literal

from cryptography import x509
from cryptography.x509.oid import NameOID
from pydantic import Field, PlainValidator, WithJsonSchema

from broker.config.base import setting
from broker.config.caller_base import CallerModel
from broker.config.http_fields import SecretHeader
from broker.config.scalars import FilePath, Pin

_MAIL = {"E": NameOID.EMAIL_ADDRESS, "emailAddress": NameOID.EMAIL_ADDRESS}


def parse_subject(value: object) -> str:
    """A distinguished name as RFC 4514 writes it; raises `ValueError`."""
    try:
        if isinstance(value, str) and value and read_subject(value) is not None:
            return value
    except ValueError:
        pass
    raise ValueError(
        "expected a distinguished name of RFC 4514, most specific part first, no blanks after commas, such as "
        "CN=partner,O=Contoso; `openssl x509 -noout -subject -nameopt RFC2253` prints it"
    )


def read_subject(text: str) -> x509.Name:
    """The name that `text` stands for; raises `ValueError`."""
    return x509.Name.from_rfc4514_string(text, _MAIL)


Subject = Annotated[str, PlainValidator(parse_subject), WithJsonSchema({"type": "string", "pattern": "="})]
CertFormat = Literal["pem", "rfc9440", "xfcc"]


class MtlsCaller(CallerModel):
    """A caller that shows a certificate; whatever is given here must hold for it."""

    type: Literal["mtls"] = Field(description="A certificate of the caller's own.")
    sha256: list[Pin] = Field(
        default_factory=list, description="SHA-256 digests of certificates, one of which it must be."
    )
    subject: Subject | None = setting(None, "Its whole subject, as RFC 4514 writes it: CN=partner,O=Contoso.")
    san: list[Annotated[str, Field(min_length=1)]] = Field(
        default_factory=list,
        description="Alternative names (DNS, URI, e-mail or IP), one of which it must have.",
    )
    ca: FilePath | None = setting(None, "CA certificates, one of which it must come from; absent: `tls.client_ca`.")
    trusted_header: SecretHeader | None = setting(
        None, "The header in which a balancer of `trusted_proxies` that ends TLS hands the certificate on."
    )
    trusted_format: CertFormat = setting(
        "pem",
        "How that header is written. pem: URL-encoded PEM (nginx). rfc9440: Client-Cert. xfcc: Envoy's "
        "X-Forwarded-Client-Cert with Cert=.",
    )
