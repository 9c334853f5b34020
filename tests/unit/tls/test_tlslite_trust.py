"""Which certificates the tlslite engine trusts, and which it shows."""

import datetime as dt
import ssl
from dataclasses import replace
from pathlib import Path

import pytest
from tlslite_pairs import ANYTHING, BASE, CA, MAKER, OLD_CA, SERVER, VERSIONS, context, everything, pair, written

from broker.testing.pki import Authority, Issued, self_signed
from broker.tls import tlslite
from broker.tls.engines import EngineError, client_tls
from broker.tls.errors import TlsFailure
from broker.tls.options import ClientIdentity, Trust


@pytest.mark.parametrize(
    ("issued", "root"),
    [
        (SERVER, CA),
        (CA.intermediate(key="rsa2048").issue(("erp.test",), key="rsa2048"), CA),
        (OLD_CA.issue(("erp.test",), key="rsa512", digest="md5"), OLD_CA),
        (OLD_CA.issue(("erp.test",), key="rsa1024", digest="sha1"), OLD_CA),
    ],
)
def test_a_chain_up_to_a_root_is_accepted(tmp_path: Path, issued: Issued, root: Authority) -> None:
    engine, _ = pair(tlslite.client_tls(replace(BASE, trust=Trust(written(tmp_path, root)))), context(issued))
    assert engine.peer_certificate() == ssl.PEM_cert_to_DER_cert(issued.leaf_pem)


def test_a_self_signed_certificate_may_be_its_own_root(tmp_path: Path) -> None:
    alone = self_signed(("erp.test",), key="rsa2048")
    pair(tlslite.client_tls(replace(BASE, trust=Trust(written(tmp_path, alone)))), context(alone))


YESTERDAY = dt.datetime.now(dt.UTC) - dt.timedelta(days=1)
TOMORROW = dt.datetime.now(dt.UTC) + dt.timedelta(days=1)
BAD = {
    "expired": (CA.issue(key="rsa2048", not_after=YESTERDAY), 10),
    "not yet valid": (CA.issue(key="rsa2048", not_before=TOMORROW), 9),
    "self-signed": (self_signed(key="rsa2048"), 18),
    "of another CA": (Authority.create("Other CA").issue(key="rsa2048"), 19),
    "of a client": (CA.issue_client("erp.test", key="rsa2048"), 26),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_certificate_that_is_not_trusted_is_refused_with_openssls_code(tmp_path: Path, kind: str) -> None:
    issued, code = BAD[kind]
    maker = tlslite.client_tls(replace(BASE, trust=Trust(written(tmp_path, CA))))
    with pytest.raises(TlsFailure) as raised:
        pair(maker, context(issued))
    assert (raised.value.reason, raised.value.verify_code) == ("CERTIFICATE_VERIFY_FAILED", code)
    assert raised.value.message
    pair(MAKER, context(issued))


@pytest.mark.parametrize("kind", BAD)
def test_pins_waive_expiry_and_purpose_but_not_the_chain(tmp_path: Path, kind: str) -> None:
    issued, code = BAD[kind]
    pinned = Trust(written(tmp_path, CA), pins=(issued.sha256,))
    if code in (18, 19):
        with pytest.raises(TlsFailure):
            pair(tlslite.client_tls(replace(BASE, trust=pinned)), context(issued))
    else:
        pair(tlslite.client_tls(replace(BASE, trust=pinned)), context(issued))
    pair(tlslite.client_tls(replace(BASE, trust=replace(pinned, ca=None))), context(issued))


def test_without_a_ca_the_systems_roots_count(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(TlsFailure):
        pair(tlslite.client_tls(BASE))
    monkeypatch.setenv("SSL_CERT_FILE", str(written(tmp_path, CA)))
    pair(tlslite.client_tls(BASE))


def test_an_elliptic_certificate_has_no_suite_here() -> None:
    with pytest.raises(TlsFailure) as raised:
        pair(MAKER, context(CA.issue(key="ec")))
    assert raised.value.reason == "SSLV3_ALERT_HANDSHAKE_FAILURE"


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("key", ["rsa1024", "rsa2048"])
def test_the_client_certificate_is_taken(version: str, key: str, tmp_path: Path) -> None:
    shown = ClientIdentity(*CA.issue_client("broker", key=key).write(tmp_path, "client"))
    maker = tlslite.client_tls(replace(ANYTHING, identity=shown))
    engine, server = pair(maker, context(version=version, client_ca=CA.ca_pem))
    assert server.peer_certificate() is not None
    server.feed(engine.write(b"question"))
    assert everything(server) == b"question"


def test_a_missing_client_certificate_is_told() -> None:
    with pytest.raises(TlsFailure) as raised:
        pair(MAKER, context(client_ca=CA.ca_pem))
    assert raised.value.reason == "SSLV3_ALERT_HANDSHAKE_FAILURE"


@pytest.mark.parametrize("broken", ["elliptic", "mismatched", "garbled"])
def test_a_client_certificate_that_cannot_be_shown(tmp_path: Path, broken: str) -> None:
    chain, key = CA.issue_client("broker", key="ec" if broken == "elliptic" else "rsa1024").write(tmp_path, "client")
    if broken == "mismatched":
        key = SERVER.write(tmp_path, "other")[1]
    if broken == "garbled":
        key.write_text("nothing")
    with pytest.raises(EngineError) as raised:
        client_tls(replace(ANYTHING, identity=ClientIdentity(chain, key)), "tlslite")
    assert raised.value.key == "client_certificate"
