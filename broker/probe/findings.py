"""What a probe found out; the report and the JSON document are made from it."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class CertificateFacts:
    """The server's own certificate and what it sent above it."""

    subject: str
    issuer: str
    names: list[str]
    key: str
    key_bits: int
    signature: str
    not_before: str
    not_after: str
    sha256: str
    sent: int
    """Certificates in the chain, where it can be seen (not in TLS 1.3)."""
    faults: list[str] = field(default_factory=list)


@dataclass(slots=True)
class HttpFacts:
    """What HTTP calls showed."""

    status: int = 0
    reason: str = ""
    version: str = ""
    server: str = ""
    challenges: list[str] = field(default_factory=list)
    keep_alive: bool | None = None
    expect_continue: str = ""
    chunked: str = ""
    quirks: list[str] = field(default_factory=list)
    wsdl: str = ""


@dataclass(slots=True)
class Tried:
    """A candidate and what came of it."""

    settings: str
    outcome: str


@dataclass(slots=True)
class Findings:
    """Everything; whatever is empty or None was not found out."""

    addresses: list[str] = field(default_factory=list)
    connect_ms: int | None = None
    versions: dict[str, bool] = field(default_factory=dict)
    """By label; those that were not asked about are missing."""
    sslv2_only: bool = False
    suites: dict[str, list[str]] = field(default_factory=dict)
    key_exchanges: dict[str, int] = field(default_factory=dict)
    """Bits by kind: `dh`, `ecdh`, `rsa` (export)."""
    certificate: CertificateFacts | None = None
    leaf: bytes | None = field(default=None, repr=False)
    wants_client_certificate: bool = False
    secure_renegotiation: bool | None = None
    remembers_sessions: bool | None = None
    resumed: bool | None = None
    sni: str = ""
    dislikes: list[str] = field(default_factory=list)
    """Hellos that upset it, as words of `intolerance`."""
    notes: list[str] = field(default_factory=list)
    http: HttpFacts | None = None
    tried: list[Tried] = field(default_factory=list)
    protocol: str = ""
    cipher: str = ""
    engine: str = ""

    def note(self, text: str) -> None:
        """Something worth knowing, once."""
        if text not in self.notes:
            self.notes.append(text)

    @property
    def best(self) -> str | None:
        """The newest version that it speaks."""
        spoken = [label for label, yes in self.versions.items() if yes]
        return max(spoken, key=_rank) if spoken else None


def _rank(label: str) -> tuple[bool, str]:
    return label.startswith("TLS"), label
