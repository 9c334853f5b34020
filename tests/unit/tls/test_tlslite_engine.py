"""The records of the tlslite engine."""

import os
import ssl

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tlslite_pairs import CBC, GCM, MAKER, everything, pair

from broker.tls.errors import TlsFailure
from broker.tls.openssl import OpenSslEngine

BODY = os.urandom(1 << 20)


@pytest.mark.parametrize("served", [*CBC.values(), GCM])
def test_large_bodies_pass_both_ways(served: ssl.SSLContext) -> None:
    engine, server = pair(served=served)
    sealed = engine.write(BODY)
    # Whole records and no more: 64 of 16 KiB.
    assert len(sealed) < len(BODY) + 65 * 100
    server.feed(sealed)
    assert everything(server) == BODY
    engine.feed(server.write(BODY))
    assert everything(engine) == BODY


@settings(max_examples=40, deadline=None)
@given(st.data(), st.sampled_from([*CBC.values(), GCM]))
def test_any_cut_of_what_arrives_gives_the_same_plaintext(data: st.DataObject, served: ssl.SSLContext) -> None:
    engine, server = MAKER.engine("erp.test", "erp.test", 443), OpenSslEngine(served, server_side=True)

    def arrive(received: bytes) -> bytes:
        got = b""
        while received:
            size = data.draw(st.integers(1, max(1, len(received))))
            engine.feed(received[:size])
            received = received[size:]
            if engine.handshake():
                got += everything(engine)
            server.feed(engine.outgoing())
        return got

    assert not engine.handshake()
    server.feed(engine.outgoing())
    assert not server.handshake()
    arrive(server.outgoing())
    assert server.handshake()
    arrive(server.outgoing())
    plain = data.draw(st.binary(min_size=1, max_size=3000))
    assert arrive(server.write(plain) + server.write(plain[::-1])) == plain + plain[::-1]


def test_close_notify_ends_and_a_cut_is_told() -> None:
    engine, server = pair()
    engine.feed(server.write(b"last") + server.close())
    assert (engine.read(), engine.read(), engine.read()) == (b"last", b"", b"")
    # The other direction stays open until it is closed, too.
    assert engine.write(b"late")
    assert engine.close()
    assert engine.close() == b""
    with pytest.raises(TlsFailure):
        engine.write(b"too late")
    engine, server = pair()
    engine.feed(server.write(b"last")[:-1])
    engine.feed_eof()
    for _ in range(2):
        with pytest.raises(TlsFailure) as raised:
            engine.read()
        assert raised.value.reason == "UNEXPECTED_EOF"


@pytest.mark.parametrize("served", [*CBC.values(), GCM])
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_a_changed_record_is_refused_with_an_alert(served: ssl.SSLContext, data: st.DataObject) -> None:
    engine, server = pair(served=served)
    sealed = bytearray(server.write(b"x" * 100))
    # TLS 1.0 sends a record for the first byte alone: the last record is where it matters.
    place = data.draw(st.integers(1, 90))
    sealed[-place] ^= 1
    engine.feed(sealed)
    with pytest.raises(TlsFailure) as raised:
        everything(engine)
    assert raised.value.reason == "DECRYPTION_FAILED_OR_BAD_RECORD_MAC"
    server.feed(engine.outgoing())
    with pytest.raises(TlsFailure) as told:
        everything(server)
    assert told.value.reason == "SSLV3_ALERT_BAD_RECORD_MAC"
