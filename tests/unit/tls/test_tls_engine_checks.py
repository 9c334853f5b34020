"""What `check` says of TLS that no engine can be made for."""

from pathlib import Path

import pytest

from broker.config.load import check
from broker.tls.checks import engine_settings

TEXT = """\
version: 1
listeners:
  fno: {bind: "127.0.0.1:8443", tls: {certificates: [{chain: a, key: b}]}}
upstreams:
  u: {targets: ["https://a"], tls: {%s}}
routes:
  - {name: r, callers: public, upstream: u}
"""


def told(tmp_path: Path, tls: str) -> dict[str, str]:
    """What is said of `tls`, by the key."""
    path = tmp_path / "routes.yaml"
    path.write_text(TEXT % tls)
    found = {fault.path: fault.message for fault in check(path, [engine_settings])}
    return {
        at.removeprefix("upstreams.u.tls."): said for at, said in found.items() if at.startswith("upstreams.u.tls.")
    }


@pytest.mark.parametrize("ciphers", ["NONSENSE", "RC4-SHA", "TLS_AES_128_GCM_SHA256"])
def test_a_list_without_a_known_suite_is_a_fault(tmp_path: Path, ciphers: str) -> None:
    assert told(tmp_path, f"engine: system, ciphers: {ciphers}") == {
        "ciphers": "names no suite that the system's OpenSSL has; `profile: obsolete` has more"
    }
