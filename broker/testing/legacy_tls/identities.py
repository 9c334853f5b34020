"""Certificates of the servers, made once for each process: keys take long."""

import datetime as dt
from collections.abc import Callable
from functools import cache
from pathlib import Path

from broker.testing import pki, signing
from broker.testing.pki import Authority, Issued

Identity = Callable[[], Issued]


@cache
def authority(digest: str = "sha256") -> Authority:
    """The root of these certificates, of 2048-bit RSA."""
    return Authority.create(f"Legacy servers' CA ({digest})", key="rsa2048", digest=digest)


@cache
def _issued(key: str, digest: str) -> Issued:
    return authority(digest).issue(key=key, digest=digest)


@cache
def _expired() -> Issued:
    start, end = dt.datetime(2001, 1, 1, tzinfo=dt.UTC), dt.datetime(2011, 1, 1, tzinfo=dt.UTC)
    return pki.self_signed(key="rsa1024", digest="sha1", not_before=start, not_after=end)


def issued(key: str = "rsa2048", digest: str = "sha256") -> Identity:
    """A certificate with this key, whose whole chain is signed with this digest."""
    return lambda: _issued(key, digest)


DEFAULT = issued()


def expired() -> Issued:
    """A certificate for itself that ended with 2010."""
    return _expired()


@cache
def client() -> Issued:
    """The certificate of a client."""
    return authority().issue_client("warehouse client", key="rsa2048")


def root(directory: Path, identity: Issued) -> Path | None:
    """Write the root of a certificate's chain; None when it stands alone."""
    if not identity.above:
        return None
    path = directory / "ca.crt"
    path.write_text(signing.certificate_pem([identity.above[-1]]))
    return path


def client_settings(directory: Path) -> dict[str, dict[str, str]]:
    """Write the client's certificate; the `tls` setting with which a broker shows it."""
    chain, key = client().write(directory, "client")
    return {"client_certificate": {"chain": str(chain), "key": str(key)}}
