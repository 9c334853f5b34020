"""What each `tls.profile` and each shape of hello stands for."""

from dataclasses import dataclass
from typing import Final

from broker.config.upstream_tls import UpstreamTls
from broker.tls.options import ClientIdentity, TlsOptions, Trust
from broker.tls.versions import TlsVersion


@dataclass(frozen=True, slots=True)
class Profile:
    """A named bundle of settings."""

    min_version: TlsVersion
    max_version: TlsVersion
    ciphers: str
    security_level: int
    legacy_renegotiation: bool
    any_strength: bool = False
    alpn: tuple[str, ...] = ()
    common_name: bool = True
    require_close_notify: bool = False


SHORT_CIPHERS: Final = (
    "DHE-RSA-AES256-SHA:DHE-RSA-AES128-SHA:AES256-SHA:AES128-SHA:EDH-RSA-DES-CBC3-SHA:DES-CBC3-SHA:RC4-SHA:RC4-MD5"
)
"""What the servers of 2003 know: eight suites, without elliptic curves, so that no extension is needed."""

OBSOLETE_CIPHERS: Final = (
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    "ECDHE-RSA-AES256-GCM-SHA384:DHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES256-GCM-SHA384:"
    "ECDHE-ECDSA-AES128-SHA:ECDHE-RSA-AES128-SHA:ECDHE-ECDSA-AES256-SHA:ECDHE-RSA-AES256-SHA:"
    "DHE-RSA-AES128-SHA:DHE-RSA-AES256-SHA:DHE-DSS-AES128-SHA:DHE-DSS-AES256-SHA:"
    "AES128-GCM-SHA256:AES256-GCM-SHA384:AES128-SHA256:AES256-SHA256:AES128-SHA:AES256-SHA:"
    "CAMELLIA128-SHA:CAMELLIA256-SHA:SEED-SHA:IDEA-CBC-SHA:"
    "ECDHE-RSA-DES-CBC3-SHA:EDH-RSA-DES-CBC3-SHA:EDH-DSS-DES-CBC3-SHA:DES-CBC3-SHA:"
    "ECDHE-RSA-RC4-SHA:RC4-SHA:RC4-MD5"
)
"""Strongest first, and few enough for a hello below 256 bytes: Windows Server 2003 reads the first 64 suites only, and
some balancers give up on longer hellos."""

PROFILES: Final[dict[str, Profile]] = {
    "modern": Profile(
        TlsVersion.TLSv1_2,
        TlsVersion.TLSv1_3,
        "DEFAULT",
        2,
        legacy_renegotiation=False,
        alpn=("http/1.1",),
        common_name=False,
        require_close_notify=True,
    ),
    "legacy": Profile(TlsVersion.TLSv1_0, TlsVersion.TLSv1_3, "ALL", 0, legacy_renegotiation=True),
    "obsolete": Profile(
        TlsVersion.SSLv3, TlsVersion.TLSv1_2, OBSOLETE_CIPHERS, 0, legacy_renegotiation=True, any_strength=True
    ),
}

_MOST: Final = {"full": TlsVersion.TLSv1_3, "short": TlsVersion.TLSv1_2, "bare": TlsVersion.TLSv1_0}


def options_of(tls: UpstreamTls | None) -> TlsOptions:
    """The profile's bundle, with what is written beside it put in its place."""
    tls = tls or UpstreamTls()
    bundle = PROFILES[tls.profile]
    hello = tls.hello or "full"
    most = TlsVersion.of(tls.max_version) if tls.max_version else min(bundle.max_version, _MOST[hello])
    least = TlsVersion.of(tls.min_version) if tls.min_version else min(bundle.min_version, most)
    return TlsOptions(
        profile=tls.profile,
        min_version=least,
        max_version=most if tls.max_version else max(most, least),
        ciphers=tls.ciphers or (bundle.ciphers if hello == "full" else SHORT_CIPHERS),
        security_level=bundle.security_level if tls.security_level is None else tls.security_level,
        any_strength=bundle.any_strength and tls.security_level is None,
        legacy_renegotiation=_either(tls.legacy_renegotiation, bundle.legacy_renegotiation),
        hello=hello,
        alpn=bundle.alpn if tls.alpn is None else tuple(tls.alpn),
        session_reuse=_either(tls.session_reuse, True),
        identity=_identity(tls),
        trust=Trust(tls.ca, not tls.unsafe_skip_verify, tuple(tls.pin_sha256), bundle.common_name),
        server_name=tls.server_name,
    )


def requires_close_notify(tls: UpstreamTls | None) -> bool:
    """Whether an answer that ends with the connection must end with close_notify: old servers seldom send it."""
    tls = tls or UpstreamTls()
    return _either(tls.require_close_notify, PROFILES[tls.profile].require_close_notify)


def _identity(tls: UpstreamTls) -> ClientIdentity | None:
    shown = tls.client_certificate
    return None if shown is None else ClientIdentity(shown.chain, shown.key)


def _either(written: bool | None, bundled: bool) -> bool:
    return bundled if written is None else written
