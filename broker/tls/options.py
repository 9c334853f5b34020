"""How TLS is spoken to one upstream: a profile's bundle with what the upstream says of its own."""

from dataclasses import dataclass
from pathlib import Path

from broker.tls.versions import TlsVersion


@dataclass(frozen=True, slots=True)
class ClientIdentity:
    """The certificate that the broker shows to an upstream: PEM files, leaf first; the key is not encrypted."""

    chain: Path
    key: Path


@dataclass(frozen=True, slots=True)
class Trust:
    """How an upstream's certificate is judged."""

    ca: Path | None = None
    """PEM roots; None: the system's."""
    verify: bool = True
    """False accepts any certificate (`unsafe_skip_verify`)."""
    pins: tuple[str, ...] = ()
    """SHA-256 digests in lower-case hex. A pin waives expiry, host name and key usage, and the chain where there is
    no `ca`."""
    common_name: bool = False
    """Whether a host name in the subject alone counts, as before RFC 6125."""

    @property
    def chain(self) -> bool:
        """Whether the chain up to a root is verified."""
        return self.verify and (not self.pins or self.ca is not None)

    @property
    def name(self) -> bool:
        """Whether the host name is verified."""
        return self.verify and not self.pins


@dataclass(frozen=True, slots=True)
class TlsOptions:
    """All that an engine needs to know."""

    profile: str
    min_version: TlsVersion
    max_version: TlsVersion
    ciphers: str
    """OpenSSL's cipher list for TLS 1.2 and below, without `@SECLEVEL`."""
    security_level: int
    """OpenSSL's level, 0 to 5: the least strength of keys, digests and groups."""
    any_strength: bool = False
    """Whether keys and groups of any size are taken, below what level 0 still refuses."""
    legacy_renegotiation: bool = False
    """Whether servers without secure renegotiation (RFC 5746) are spoken to, and may renegotiate."""
    hello: str = "full"
    """`full`; `short`: few suites, no SNI, no optional extension; `bare`: TLS 1.0 at most, no extension at all."""
    alpn: tuple[str, ...] = ()
    """Protocols to offer (ALPN, RFC 7301); empty: the extension is not sent."""
    session_reuse: bool = True
    """Whether a new connection resumes the session of an earlier one."""
    identity: ClientIdentity | None = None
    trust: Trust = Trust()
    server_name: str | None = None
    """The name to send and to verify; None: the target's host; `""`: none is sent."""

    @property
    def sends_name(self) -> bool:
        """Whether the hello carries SNI (RFC 6066)."""
        return self.hello == "full" and self.server_name != "" and self.max_version > TlsVersion.SSLv3

    @property
    def cipher_list(self) -> str:
        """`ciphers`, without the anonymous suites where a certificate has to be verified."""
        return f"{self.ciphers}:!aNULL" if self.trust.verify else self.ciphers
