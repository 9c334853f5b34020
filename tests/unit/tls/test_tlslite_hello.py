"""The hellos of the tlslite engine, and what it makes of the answers."""

from dataclasses import replace
from typing import Any

import pytest
from tlslite_server import ANYTHING, ContentType, ExtensionType, Message, hello_of, meet, talk

from broker.config.upstream_tls import UpstreamTls
from broker.tls import tlslite
from broker.tls.errors import TlsFailure
from broker.tls.options import Trust
from broker.tls.profiles import options_of
from broker.tls.versions import TlsVersion

_PADDING = b"\x16\x03\x01\x40\x00" + bytes(0x4000)


def test_alpn_is_offered() -> None:
    _, server = meet(replace(ANYTHING, alpn=("http/1.1",)), alpn=[bytearray(b"http/1.1")])
    assert server.connection.session.appProto == b"http/1.1"


def test_a_full_hello_has_the_name_and_the_usual_extensions() -> None:
    _, server = meet(ANYTHING)
    hello = hello_of(server)
    assert hello.server_name == b"erp.test"
    assert hello.client_version == (3, 3)
    assert server.hello[:3] == bytes((ContentType.handshake, 3, 1))
    assert len(server.hello) < 256
    assert server.connection.extendedMasterSecret


def test_a_short_hello_has_few_suites_and_no_optional_extension() -> None:
    options = replace(options_of(UpstreamTls(profile="obsolete", hello="short")), trust=Trust(verify=False))
    engine, server = meet(options)
    hello = hello_of(server)
    assert len(hello.cipher_suites) == 9
    assert [each.extType for each in hello.extensions] == [ExtensionType.signature_algorithms]
    talk(engine, server)


@pytest.mark.parametrize("most", [TlsVersion.SSLv3, TlsVersion.TLSv1_0])
def test_a_bare_hello_has_no_extension(most: TlsVersion) -> None:
    options = replace(options_of(UpstreamTls(profile="obsolete", hello="bare")), trust=Trust(verify=False))
    engine, server = meet(replace(options, max_version=most))
    hello = hello_of(server)
    assert hello.extensions is None
    assert hello.client_version == (most >> 8, most & 0xFF)
    talk(engine, server)


@pytest.mark.parametrize("legacy", [True, False])
def test_a_server_without_rfc_5746_is_spoken_to_where_allowed(legacy: bool) -> None:
    maker: Any = tlslite.client_tls(replace(ANYTHING, legacy_renegotiation=legacy))
    # What the server is not asked for it does not say.
    maker._hellos._suites.pop()
    if legacy:
        talk(*meet(ANYTHING, maker))
        return
    with pytest.raises(TlsFailure) as raised:
        meet(ANYTHING, maker)
    assert raised.value.reason == "UNSAFE_LEGACY_RENEGOTIATION_DISABLED"


def test_a_server_with_rfc_5746_needs_no_allowance() -> None:
    talk(*meet(replace(ANYTHING, legacy_renegotiation=False)))


@pytest.mark.parametrize(
    ("options", "how", "reason"),
    [
        ({"ciphers": "RC4"}, {"cipherNames": ["aes128"]}, "SSLV3_ALERT_HANDSHAKE_FAILURE"),
        ({"max_version": TlsVersion.TLSv1_0}, {"minVersion": (3, 2)}, "TLSV1_ALERT_PROTOCOL_VERSION"),
        ({"min_version": TlsVersion.TLSv1_1}, {"maxVersion": (3, 1)}, "UNSUPPORTED_PROTOCOL"),
    ],
)
def test_what_fails_has_the_reason_that_openssl_gives(
    options: dict[str, Any], how: dict[str, Any], reason: str
) -> None:
    with pytest.raises(TlsFailure) as raised:
        meet(replace(ANYTHING, **options), **how)
    assert raised.value.reason == reason


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "WRONG_VERSION_NUMBER"),
        (b"\x80\x03\x00\x00\x01", "WRONG_VERSION_NUMBER"),
        (b"\x15\x03\x00\x00\x02\x02\x28", "SSLV3_ALERT_HANDSHAKE_FAILURE"),
        (b"\x15\x03\x00\x00\x02\x01\x70\x15\x03\x00\x00\x02\x02\x46", "TLSV1_ALERT_PROTOCOL_VERSION"),
        (b"\x15\x03\x00\x00\x02\x01\x00", "UNEXPECTED_EOF"),
        (b"\x16\x03\x01\x00\x04\x02\x00\x00\x00", "LENGTH_MISMATCH"),
        (b"\x17\x03\x01\x00\x01x", "UNEXPECTED_MESSAGE"),
        (b"\x16\x03\x01\xff\xff", "DATA_LENGTH_TOO_LONG"),
        (b"\x16\x03\x01\x3f\xff\x02\xff\xff\xff" + bytes(0x3FFB) + _PADDING * 16, "EXCESSIVE_MESSAGE_SIZE"),
        (b"\x16\x03", "UNEXPECTED_EOF"),
        (b"", "UNEXPECTED_EOF"),
    ],
)
def test_an_answer_that_is_no_handshake(answer: bytes, reason: str) -> None:
    engine = tlslite.client_tls(ANYTHING).engine(None, "erp.test", 443)
    assert not engine.handshake()
    engine.feed(answer)
    engine.feed_eof()
    for _ in range(2):
        with pytest.raises(TlsFailure) as raised:
            engine.handshake()
        assert raised.value.reason == reason
    assert engine.close() == b""


def test_a_request_to_renegotiate_is_declined_and_explained() -> None:
    engine, server = meet(ANYTHING)

    for _ in server.connection._sendMsg(Message(ContentType.handshake, bytearray(4)), update_hashes=False):
        pass
    engine.feed(server.sent())
    with pytest.raises(TlsFailure) as raised:
        engine.read()
    assert raised.value.reason == "RENEGOTIATION_WANTED"
    server.socket.inbox += engine.outgoing()
    with pytest.raises(Exception, match="no_renegotiation"):
        server.read()


def test_nothing_secret_is_shown() -> None:
    engine, server = meet(ANYTHING)
    assert repr(engine) == "TlsliteEngine()"
    assert server.connection.session.masterSecret.hex() not in repr(vars(engine._client))
