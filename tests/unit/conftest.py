"""What unit tests share: a caller's side that only listens, calls to put through it, a routes file with its files."""

from collections.abc import Callable
from pathlib import Path

import pytest

from broker.core.exchange import Exchange
from broker.core.heads import RequestHead
from broker.testing.devpki import Workshop

ROUTES = """\
version: 1
listeners:
  fno:
    bind: 127.0.0.1:8443
    tls:
      certificates: [{chain: certs/server.crt, key: certs/server.key}]
upstreams:
  warehouse:
    targets: [https://10.0.0.12:8443]
    tls: {profile: legacy, ca: certs/legacy-ca.crt, review_by: 2027-06-30}
callers:
  fno-dev: {type: api_key, key: env:UNIT_KEY}
routes:
  - name: soap
    match: {path: /warehouse/quote.asmx, methods: [POST]}
    callers: [fno-dev]
    upstream: warehouse
    path: /Quote.asmx
    credentials: {type: basic, username: env:UNIT_USER, password: env:UNIT_PASSWORD}
  - name: open
    match: {path: /open/}
    callers: public
    upstream: warehouse
"""


class Side:
    """A caller's side that keeps what it is told to send."""

    peer = "203.0.113.7"
    peer_trusted = False
    peer_certificate: bytes | None = None
    tls = True
    last = False
    pins = None
    trusted: frozenset[str] = frozenset()

    def __init__(self) -> None:
        self.head = b""
        self.body = b""

    def trusts(self, address: str) -> bool:
        return address in self.trusted

    def reply(self, exchange: Exchange, head: bytes, body: bytes) -> None:
        self.head, self.body = head, body


@pytest.fixture
def call() -> Callable[..., Exchange]:
    """Makes a call with these header lines."""

    def make(*lines: tuple[bytes, bytes], method: bytes = b"GET", target: bytes = b"/", **more: object) -> Exchange:
        head = RequestHead(method, target, False, list(lines), **more)
        exchange = Exchange(head, None, Side(), "fno", 0.0)
        exchange.request_id = "id-1"
        return exchange

    return make


@pytest.fixture(scope="session")
def certs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Development certificates."""
    directory = tmp_path_factory.mktemp("pki") / "certs"
    Workshop(directory).make_all()
    return directory


@pytest.fixture
def unit_routes(tmp_path: Path, certs: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A valid routes file, its certificates beside it and its secrets in the environment."""
    for name, value in (("UNIT_KEY", "key-of-the-caller"), ("UNIT_USER", "wms"), ("UNIT_PASSWORD", "legacy-pa55")):
        monkeypatch.setenv(name, value)
    (tmp_path / "certs").symlink_to(certs)
    path = tmp_path / "routes.yaml"
    path.write_text(ROUTES)
    return path
