"""The certificates of a development setup: made once, kept while they are valid, renewed when they end."""

import datetime as dt
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from broker.testing.pki import LOCAL_NAMES, Authority, Issued, write_private

_LEAF_DAYS = 397
_AUTHORITY_DAYS = 3650
_RENEW_BEFORE = dt.timedelta(days=7)
# A stolen development authority can vouch for nothing beyond this machine.
_PERMITTED = ("localhost", "127.0.0.1/32", "::1/128")


class CannotIssueError(Exception):
    """A certificate is due, and its authority cannot sign it."""


@dataclass(frozen=True)
class Plan:
    """One authority and the server certificate that it issues."""

    authority: str
    common_name: str
    leaf: str
    names: tuple[str, ...] = LOCAL_NAMES
    ca_key: str = "ec"
    leaf_key: str = "ec"
    digest: str = "sha256"


SERVER = Plan("ca", "Broker development CA", "server", (*LOCAL_NAMES, "broker.localhost"))
LEGACY = Plan("legacy-ca", "Legacy development CA", "legacy", LOCAL_NAMES, "rsa2048", "rsa1024", "sha1")
LEGACY_FALLBACK = Plan("legacy-ca", "Legacy development CA", "legacy", LOCAL_NAMES, "rsa2048", "rsa2048")


@dataclass
class Workshop:
    """Makes what is missing in a directory, and notes what it did."""

    directory: Path
    force: bool = False
    notes: list[str] = field(default_factory=list)

    def make_all(self) -> list[str]:
        """Make or renew every development certificate; what was done, a line for each."""
        self.directory.mkdir(parents=True, exist_ok=True)
        self.make(SERVER)
        try:
            self.make(LEGACY)
        except (UnsupportedAlgorithm, ValueError):
            self.make(LEGACY_FALLBACK)
        return self.notes

    def make(self, plan: Plan) -> None:
        """Make or renew one authority and its server certificate."""
        issuer = None if self.force else self._kept_authority(plan)
        if issuer is None:
            issuer = self._new_authority(plan)
        if self.force or not self._keeps_leaf(plan, issuer):
            self._new_leaf(plan, issuer)

    def _kept_authority(self, plan: Plan) -> x509.Certificate | None:
        path = self.directory / f"{plan.authority}.crt"
        found = load_certificate(path)
        if found is None or is_ending(found):
            return None
        self._note(path, "kept", found)
        return found

    def _new_authority(self, plan: Plan) -> x509.Certificate:
        made = Authority.create(
            plan.common_name, key=plan.ca_key, permitted=_PERMITTED, not_after=_days_from_now(_AUTHORITY_DAYS)
        )
        path = made.write_ca(self.directory, f"{plan.authority}.crt")
        write_private(path.with_suffix(".key"), made.key_pem)
        self._note(path, "made", made.certificate)
        return made.certificate

    def _keeps_leaf(self, plan: Plan, issuer: x509.Certificate) -> bool:
        path = self.directory / f"{plan.leaf}.crt"
        found = load_certificate(path)
        if found is None or is_ending(found) or not _has_key(found, path.with_suffix(".key")):
            return False
        if found.issuer != issuer.subject:
            self._note(path, f"kept, though not issued by {plan.authority}.crt", found)
            return True
        if not _is_issued_by(found, issuer):
            return False
        self._note(path, "kept", found)
        return True

    def _new_leaf(self, plan: Plan, issuer: x509.Certificate) -> None:
        key = load_key(self.directory / f"{plan.authority}.key")
        if key is None or key.public_key() != issuer.public_key():
            raise CannotIssueError(
                f"{self.directory / plan.leaf}.crt is due, but {plan.authority}.key, which would sign it, "
                "is not here; --force makes a new authority"
            )
        end = _days_from_now(_LEAF_DAYS)
        leaf = Authority(issuer, key).issue(
            plan.names, key=plan.leaf_key, digest=plan.digest, not_after=min(end, issuer.not_valid_after_utc)
        )
        self._write_leaf(plan, leaf)

    def _write_leaf(self, plan: Plan, leaf: Issued) -> None:
        chain, _ = leaf.write(self.directory, plan.leaf)
        self._note(chain, "made", leaf.certificate)

    def _note(self, path: Path, what: str, certificate: x509.Certificate) -> None:
        self.notes.append(f"{path}: {what}, valid until {certificate.not_valid_after_utc:%Y-%m-%d}")


def load_certificate(path: Path) -> x509.Certificate | None:
    """The first certificate of a file, or None when there is none to be read."""
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError):
        return None


def load_key(path: Path) -> ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | None:
    """The unencrypted private key of a file, or None."""
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError):
        return None
    return key if isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) else None


def is_ending(certificate: x509.Certificate) -> bool:
    """Whether a certificate has expired or does within a week."""
    return certificate.not_valid_after_utc < dt.datetime.now(dt.UTC) + _RENEW_BEFORE


def _has_key(certificate: x509.Certificate, path: Path) -> bool:
    key = load_key(path)
    return key is not None and key.public_key() == certificate.public_key()


def _is_issued_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        found = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    except x509.ExtensionNotFound:
        return False
    return found.key_identifier == x509.SubjectKeyIdentifier.from_public_key(issuer.public_key()).digest


def _days_from_now(days: int) -> dt.datetime:
    return dt.datetime.now(dt.UTC) + dt.timedelta(days=days)
