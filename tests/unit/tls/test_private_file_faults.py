"""A file that the private OpenSSL cannot use is no fault of the cipher list."""

from pathlib import Path

import pytest

from broker.config.load import check
from broker.tls import private
from broker.tls.checks import engine_settings

pytestmark = pytest.mark.skipif(not private.available(), reason="the private OpenSSL is missing: make obsolete-tls")

TEXT = """\
version: 1
listeners:
  fno: {bind: "127.0.0.1:8443", tls: {certificates: [{chain: a, key: b}]}}
upstreams:
  u: {targets: ["https://a"], tls: {profile: obsolete, engine: private, %s}}
routes:
  - {name: r, callers: public, upstream: u}
"""


@pytest.mark.parametrize(
    ("tls", "expected"),
    [
        ("ca: none.pem", ["ca"]),
        (
            "client_certificate: {chain: none.pem, key: none.pem}",
            ["client_certificate.chain", "client_certificate.key"],
        ),
        ("ciphers: NONSENSE", ["ciphers"]),
    ],
)
def test_the_fault_is_at_the_file(tmp_path: Path, tls: str, expected: list[str]) -> None:
    (tmp_path / "none.pem").write_text("no PEM\n")
    path = tmp_path / "routes.yaml"
    path.write_text(TEXT % tls)
    faults = check(path, [engine_settings])
    errors = [fault.path for fault in faults if fault.severity == "error"]
    assert [at for at in errors if at.startswith("upstreams")] == [f"upstreams.u.tls.{key}" for key in expected]
