"""A configuration put to work, and why one could not be."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from broker.callers.slowing import Slowing
from broker.callers.verdict import CallerCheck
from broker.compile_credentials import Credentialed
from broker.config.faults import Loc, Problem
from broker.config.model import Config
from broker.core.plan import RoutePlan
from broker.core.ports import SecretSource
from broker.core.secret import Secret
from broker.credentials.oauth2_shared import TokenStore
from broker.listener.certificates import CertificateStore
from broker.policy.registry import Registry
from broker.routing.table import RouteTable
from broker.upstream.idempotent_call import IdempotencyKeys
from broker.upstream.send import Upstream


class CompileError(Exception):
    """A configuration that is right on paper but cannot be put to work; one line for each reason."""

    def __init__(self, reasons: list[str], places: Sequence[Loc] = ()) -> None:
        """`places`: where in the file each reason is."""
        super().__init__("\n".join(reasons))
        self.reasons = reasons
        self._places = places

    @property
    def problems(self) -> list[Problem]:
        """The reasons with their places; what stands before the first colon is said by the place."""
        pairs = zip(self._places, self.reasons, strict=True)
        return [Problem(loc, reason.partition(": ")[2]) for loc, reason in pairs]


@dataclass(slots=True)
class Compiled:
    """A configuration put to work."""

    config: Config
    tables: dict[str, RouteTable]
    stores: dict[str, CertificateStore]
    upstreams: dict[str, Upstream]
    plans: list[RoutePlan]
    secrets: list[Secret] = field(repr=False)
    tokens: TokenStore = field(repr=False)
    """Tokens that credentials get from somewhere, shared by routes."""
    idempotency_keys: IdempotencyKeys = field(repr=False)
    """What is remembered of calls that may be repeated."""
    checks: dict[str, CallerCheck] = field(default_factory=dict, repr=False)
    """Who may call, by name."""
    registry: Registry = field(default_factory=Registry, repr=False)
    """Buckets, bulkheads and breakers by name."""
    slowing: dict[str, Slowing] = field(default_factory=dict, repr=False)
    """Who keeps showing wrong proofs, by listener."""
    credentialed: dict[str, Credentialed] = field(default_factory=dict, repr=False)
    """Ways to upstreams by route, for those routes that have credentials."""
    hosts: dict[str, frozenset[str]] = field(default_factory=dict, repr=False)
    """Names that callers may ask each listener for, besides those of its certificates."""
    files: Mapping[Path, bytes | None] = field(default_factory=dict, repr=False)
    """Digests of the files that all this was made of."""

    shown: tuple[SecretSource, ...] = ()
    """The secrets that client certificates are made of: with another value they need another TLS context."""

    def __post_init__(self) -> None:
        """Gather what would be gathered often."""
        self.shown = tuple(source for each in self.credentialed.values() for source, _ in each.shown)
