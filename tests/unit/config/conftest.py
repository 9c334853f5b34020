"""Certificates and routes files to try the configuration with."""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

NOW = dt.datetime.now(dt.UTC)
PEM = serialization.Encoding.PEM
PKCS8 = serialization.PrivateFormat.PKCS8


@dataclass
class Issued:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: Any

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(PEM)

    def key_pem(self, password: bytes | None = None) -> bytes:
        lock = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
        return self.key.private_bytes(PEM, PKCS8, lock)


def make(
    name: str,
    issuer: Issued | None = None,
    *,
    ca: bool = False,
    start: int = -1,
    end: int = 365,
    rsa_bits: int = 0,
) -> Issued:
    """A certificate valid from day `start` to day `end` from now; self-signed without `issuer`."""
    key: Any = rsa.generate_private_key(65537, rsa_bits) if rsa_bits else ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW + dt.timedelta(days=start))
        .not_valid_after(NOW + dt.timedelta(days=end))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .sign(issuer.key if issuer else key, hashes.SHA256())
    )
    return Issued(certificate, key)


@pytest.fixture(scope="session")
def issue() -> Callable[..., Issued]:
    """Makes certificates, see `make`."""
    return make


@pytest.fixture(scope="session")
def ca() -> Issued:
    return make("Test CA", ca=True)


@pytest.fixture(scope="session")
def intermediate(ca: Issued) -> Issued:
    return make("Test intermediate", ca, ca=True)


@pytest.fixture(scope="session")
def leaf(intermediate: Issued) -> Issued:
    return make("localhost", intermediate)


@pytest.fixture
def save(tmp_path: Path) -> Callable[[str, bytes], Path]:
    """Writes a file beside the routes file, readable by its owner only."""

    def write(name: str, data: bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(data)
        path.chmod(0o600)
        return path

    return write


ROUTES = """\
version: 1
listeners:
  fno:
    bind: 127.0.0.1:8443
    tls:
      certificates: [{chain: server.crt, key: server.key}]
upstreams:
  warehouse:
    targets: [https://10.0.0.12:8443]
callers:
  fno-dev: {type: api_key, key: env:KEY}
routes:
  - name: one
    callers: [fno-dev]
    upstream: warehouse
"""


@pytest.fixture
def text() -> str:
    """A valid routes file."""
    return ROUTES


@pytest.fixture
def routes(save: Callable[[str, bytes], Path], ca: Issued, intermediate: Issued, leaf: Issued) -> Path:
    """A valid routes file with its certificates."""
    save("server.crt", leaf.pem + intermediate.pem + ca.pem)
    save("server.key", leaf.key_pem())
    return save("routes.yaml", ROUTES.encode())
