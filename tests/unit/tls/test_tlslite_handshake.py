"""The tlslite engine against tlslite's own server: suites, keys and sessions."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from tlslite_server import ANYTHING, CLIENT, Server, SessionCache, identity, meet, shake, talk

from broker.testing.legacy_tls.groups import DH_512, DH_768
from broker.tls import tlslite
from broker.tls.errors import TlsFailure
from broker.tls.options import ClientIdentity, Trust
from broker.tls.versions import TlsVersion

VERSIONS = {(3, 0): "SSLv3", (3, 1): "TLSv1", (3, 2): "TLSv1.1", (3, 3): "TLSv1.2"}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("suite", ["DES-CBC3-SHA", "RC4-MD5", "RC4-SHA", "AES256-SHA", "NULL-MD5", "ADH-DES-CBC3-SHA"])
def test_a_suite_in_every_version(version: tuple[int, int], suite: str) -> None:
    how = {"anon": True} if suite.startswith("ADH") else {}
    engine, server = meet(replace(ANYTHING, ciphers=suite), maxVersion=version, **how)
    assert (engine.protocol(), engine.cipher()) == (VERSIONS[version], suite)
    assert (engine.peer_certificate() is None) == suite.startswith("ADH")
    talk(engine, server)
    talk(engine, server)


@pytest.mark.parametrize(
    "suite", ["AES128-GCM-SHA256", "DHE-RSA-AES256-GCM-SHA384", "AES128-SHA256", "ADH-AES256-SHA256"]
)
def test_a_suite_of_tls_1_2(suite: str) -> None:
    engine, server = meet(replace(ANYTHING, ciphers=suite), **({"anon": True} if suite.startswith("ADH") else {}))
    assert engine.cipher() == suite
    talk(engine, server)


@pytest.mark.parametrize(
    ("key", "suite"), [("rsa512", "RC4-MD5"), ("rsa512", "DHE-RSA-AES128-SHA"), ("dsa1024", "DHE")]
)
def test_a_small_or_unusual_key(key: str, suite: str) -> None:
    engine, server = meet(replace(ANYTHING, ciphers=suite), issued=identity(key), maxVersion=(3, 1))
    assert engine.peer_certificate() is not None
    talk(engine, server)


@pytest.mark.parametrize("group", [DH_512, DH_768])
def test_a_small_group(group: tuple[int, int]) -> None:
    talk(*meet(replace(ANYTHING, ciphers="DHE"), dhParams=group, dhGroups=[]))


def test_a_tiny_group_is_refused() -> None:
    with pytest.raises(TlsFailure) as raised:
        meet(replace(ANYTHING, ciphers="DHE"), dhParams=(2, (1 << 255) - 19), dhGroups=[])
    assert raised.value.reason == "DH_KEY_TOO_SMALL"


def test_suites_without_a_certificate_are_not_offered_where_one_is_verified() -> None:
    with pytest.raises(ValueError, match="names no suite"):
        tlslite.client_tls(replace(ANYTHING, ciphers="aNULL", trust=Trust()))


@pytest.mark.parametrize("version", VERSIONS)
def test_the_client_certificate_is_shown(version: tuple[int, int], tmp_path: Path) -> None:
    shown = replace(ANYTHING, identity=ClientIdentity(*CLIENT.write(tmp_path, "client")))
    engine, server = meet(shown, maxVersion=version, reqCert=True)
    seen = bytes(server.connection.session.clientCertChain.x509List[0].bytes)
    assert seen == CLIENT.certificate.public_bytes(Encoding.DER)
    talk(engine, server)


@pytest.mark.parametrize("version", [(3, 1), (3, 3)])
def test_a_client_certificate_that_is_asked_for_may_be_missing(version: tuple[int, int]) -> None:
    talk(*meet(ANYTHING, maxVersion=version, reqCert=True))


@pytest.mark.parametrize("ticket", [False, True])
@pytest.mark.parametrize("version", VERSIONS)
def test_a_session_is_resumed(version: tuple[int, int], ticket: bool) -> None:
    if ticket and version == (3, 0):
        return
    how: dict[str, Any] = {"ticketKeys": [bytearray(32)]} if ticket else {"cache": SessionCache()}
    # Its own server resumes no session in SSLv3 that a hello with TLS's extensions asks for.
    maker = tlslite.client_tls(replace(ANYTHING, max_version=TlsVersion(version[0] << 8 | version[1])))
    first, _ = meet(ANYTHING, maker, maxVersion=version, **how)
    second, server = meet(ANYTHING, maker, maxVersion=version, **how)
    assert (first.resumed(), second.resumed()) == (False, True)
    assert second.peer_certificate() == first.peer_certificate() is not None
    talk(second, server)
    forgetful, server = meet(ANYTHING, maker, maxVersion=version, cache=SessionCache())
    assert not forgetful.resumed()
    talk(forgetful, server)


def test_a_session_is_kept_for_its_server_alone_and_only_where_wanted() -> None:
    cache = SessionCache()
    never = tlslite.client_tls(replace(ANYTHING, session_reuse=False))
    maker = tlslite.client_tls(ANYTHING)
    for _ in range(2):
        assert not meet(ANYTHING, never, cache=cache)[0].resumed()
    meet(ANYTHING, maker, cache=cache)
    other = maker.engine("other.test", "other.test", 443)
    shake(other, Server(cache=cache))
    assert not other.resumed()
