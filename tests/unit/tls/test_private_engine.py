"""The private OpenSSL behind the engine's port, against the interpreter's own on the other side."""

import asyncio
import gc
import ssl
import weakref
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker.config.upstream_tls import UpstreamTls
from broker.testing.contexts import server_context
from broker.testing.pki import Authority, Issued
from broker.tls import private
from broker.tls.engine import ClientTls, TlsEngine
from broker.tls.engines import EngineError, client_tls
from broker.tls.errors import TlsFailure
from broker.tls.openssl import OpenSslEngine
from broker.tls.profiles import options_of

pytestmark = pytest.mark.skipif(not private.available(), reason="the private OpenSSL is missing: make obsolete-tls")

CA = Authority.create(key="rsa2048")
SERVER = CA.issue(("erp.test",), key="rsa2048")
TLS_1_0 = server_context(SERVER, minimum=ssl.TLSVersion.TLSv1, maximum=ssl.TLSVersion.TLSv1, ciphers="ALL:@SECLEVEL=0")
TLS_1_3 = server_context(SERVER, minimum=ssl.TLSVersion.TLSv1_3)


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return CA.write_ca(tmp_path_factory.mktemp("ca"))


def client(ca: Path | None = None, **tls: Any) -> ClientTls:
    return client_tls(options_of(UpstreamTls(profile="obsolete", engine="private", ca=ca, **tls)), "private")


def shake(one: TlsEngine, other: TlsEngine) -> None:
    """Carry bytes to and fro until both are done."""
    done = [False, False]
    for _ in range(20):
        for index, (engine, peer) in enumerate(((one, other), (other, one))):
            if not done[index]:
                done[index] = engine.handshake()
            peer.feed(engine.outgoing())
        if all(done):
            return
    raise AssertionError("the handshake does not end")


def pair(maker: ClientTls, context: ssl.SSLContext = TLS_1_0) -> tuple[TlsEngine, OpenSslEngine]:
    engine, server = maker.engine("erp.test", "erp.test", 443), OpenSslEngine(context, server_side=True)
    shake(engine, server)
    return engine, server


def everything(engine: TlsEngine) -> bytes:
    read = b""
    while data := engine.read():
        read += data
    return read


def test_bytes_go_both_ways(ca: Path) -> None:
    engine, server = pair(client(ca))
    body = bytes(range(256)) * 4096
    server.feed(engine.write(body))
    assert everything(server) == body
    engine.feed(server.write(body))
    assert everything(engine) == body
    assert (engine.protocol(), engine.read()) == ("TLSv1", None)
    assert engine.peer_certificate() == ssl.PEM_cert_to_DER_cert(SERVER.leaf_pem)


def test_a_goodbye_is_told_from_a_cut(ca: Path) -> None:
    engine, server = pair(client(ca))
    engine.feed(server.write(b"last words") + server.close())
    assert engine.read() == b"last words"
    assert engine.read() == b""
    assert engine.close() != b""
    engine, server = pair(client(ca))
    engine.feed(server.write(b"last words"))
    engine.feed_eof()
    assert engine.read() == b"last words"
    with pytest.raises(TlsFailure) as failure:
        engine.read()
    assert failure.value.reason == "UNEXPECTED_EOF"


def test_a_broken_record_is_reported_behind_the_bytes_before_it(ca: Path) -> None:
    engine, server = pair(client(ca))
    good, bad = server.write(b"good"), bytearray(server.write(b"bad"))
    bad[-1] ^= 1
    engine.feed(good + bytes(bad))
    assert engine.read() == b"good"
    for _ in range(2):
        with pytest.raises(TlsFailure) as failure:
            engine.read()
        assert failure.value.reason == "DECRYPTION_FAILED_OR_BAD_RECORD_MAC"


@pytest.mark.parametrize("context", [TLS_1_0, TLS_1_3], ids=["TLSv1", "TLSv1.3"])
def test_the_next_connection_resumes_the_session(ca: Path, context: ssl.SSLContext) -> None:
    maker = client(ca, max_version="TLSv1.3")
    resumed = []
    for _ in range(3):
        engine, server = pair(maker, context)
        engine.feed(server.write(b"x"))
        everything(engine)
        engine.close()
        resumed.append(engine.resumed())
        assert engine.peer_certificate() is not None
    assert resumed == [False, True, True]
    assert not pair(client(ca, session_reuse=False))[0].resumed()


def failure_with(maker: ClientTls, issued: Issued = SERVER) -> TlsFailure:
    with pytest.raises(TlsFailure) as failure:
        pair(maker, server_context(issued, ciphers="ALL:@SECLEVEL=0"))
    return failure.value


def test_a_chain_is_verified(ca: Path) -> None:
    other = Authority.create(key="rsa2048")
    expired = CA.issue(("erp.test",), key="rsa2048", not_after=datetime(2011, 1, 1, tzinfo=UTC))
    client_only = CA.issue(("erp.test",), key="rsa2048", purposes=("client",))
    failures = [failure_with(client(ca), issued) for issued in (other.issue(), expired, client_only)]
    assert {failure.reason for failure in failures} == {"CERTIFICATE_VERIFY_FAILED"}
    assert [failure.verify_code for failure in failures] == [19, 10, 26]
    pin = client(ca, pin_sha256=[expired.sha256])
    assert pair(pin, server_context(expired))[0].peer_certificate() is not None
    assert failure_with(pin, other.issue()).verify_code == 19
    assert failure_with(client()).reason == "CERTIFICATE_VERIFY_FAILED"


def test_a_peer_that_leaves_in_the_handshake_is_told(ca: Path) -> None:
    engine = client(ca).engine("erp.test", "erp.test", 443)
    assert not engine.handshake()
    engine.feed_eof()
    with pytest.raises(TlsFailure) as failure:
        engine.handshake()
    assert failure.value.reason == "UNEXPECTED_EOF"


def test_a_peer_that_does_not_speak_tls_is_told(ca: Path) -> None:
    engine = client(ca).engine("erp.test", "erp.test", 443)
    assert not engine.handshake()
    engine.feed(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    with pytest.raises(TlsFailure) as failure:
        engine.handshake()
    assert failure.value.reason == "WRONG_VERSION_NUMBER"


def hello(engine: TlsEngine) -> bytes:
    assert not engine.handshake()
    return engine.outgoing()


def test_the_shapes_of_the_hello(ca: Path) -> None:
    full = hello(client(ca).engine("erp.test", "erp.test", 443))
    assert b"erp.test" in full
    assert len(full) - 5 < 256
    short = hello(client(ca, hello="short").engine(None, "erp.test", 443))
    bare = hello(client(ca, hello="bare").engine(None, "erp.test", 443))
    assert len(bare) < len(short) < len(full)
    # Record header, handshake header, version, random, empty session, suites and their signalling value, compression.
    assert len(bare) == 5 + 4 + 2 + 32 + 1 + 2 + 2 * 9 + 2
    assert bare[9:11] == b"\x03\x01"
    assert b"192.0.2.7" not in hello(client(ca).engine("192.0.2.7", "192.0.2.7", 443))


@pytest.mark.parametrize(
    ("tls", "key", "words"),
    [
        ({"ciphers": "NO-SUCH-SUITE"}, "ciphers", "no suite"),
        ({"ca": Path("missing.crt")}, "ca", "missing.crt"),
    ],
)
def test_settings_that_cannot_be_used(tls: dict[str, Any], key: str, words: str) -> None:
    with pytest.raises(EngineError, match=words) as refused:
        client(**tls)
    assert refused.value.key == key


def test_an_anonymous_server_is_not_taken_for_a_verified_one(ca: Path) -> None:
    anonymous = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    anonymous.set_ciphers("AECDH-AES128-SHA:@SECLEVEL=0")
    anonymous.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(EngineError):
        client(ca, ciphers="AECDH-AES128-SHA")
    open_to_all = client(ciphers="AECDH-AES128-SHA", unsafe_skip_verify=True)
    engine = pair(open_to_all, anonymous)[0]
    assert (engine.cipher(), engine.peer_certificate()) == ("AECDH-AES128-SHA", None)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 6000), max_size=12))
def test_any_cut_of_the_same_bytes_gives_the_same(cuts: list[int]) -> None:
    engine, server = pair(client(unsafe_skip_verify=True))
    wire = b"".join(server.write(part) for part in (b"head", b"x" * 3000, b"", b"tail" * 300)) + server.close()
    at, read = 0, b""
    for cut in [*sorted(cuts), len(wire)]:
        engine.feed(wire[at:cut])
        at = max(at, cut)
        read += everything(engine)
    assert read == b"head" + b"x" * 3000 + b"tail" * 300
    assert engine.read() == b""


def test_an_engine_may_be_dropped_at_any_point(ca: Path) -> None:
    steps: list[Callable[[ClientTls], object]] = [
        lambda maker: maker.engine("erp.test", "erp.test", 443),
        lambda maker: hello(maker.engine("erp.test", "erp.test", 443)),
        pair,
    ]
    for step in steps:
        step(client(ca))
        gc.collect()


def test_the_library_shows_nothing_of_openssl() -> None:
    library = private.load()
    assert library is not None
    assert hasattr(library, "obsolete_new")
    assert not [name for name in ("SSL_new", "SSL_CTX_new", "EVP_sha1", "ERR_get_error") if hasattr(library, name)]
    assert private.version().startswith("OpenSSL 3")


@pytest.mark.parametrize("finished", [True, False])
async def test_an_engine_in_a_loop_is_gone_with_its_last_user(ca: Path, finished: bool) -> None:
    woken = asyncio.Event()
    maker, server = client(ca), OpenSslEngine(TLS_1_0, server_side=True)
    engine = maker.engine("erp.test", "erp.test", 443)
    engine.attach(woken.set)
    assert not engine.handshake()
    server.feed(engine.outgoing())
    server.handshake()
    engine.feed(server.outgoing())
    assert not engine.handshake()
    # A thread has the connection; whatever comes meanwhile waits for it.
    assert engine.outgoing() == b""
    if finished:
        await woken.wait()
        assert not engine.handshake()
        server.feed(engine.outgoing())
        assert server.handshake()
        engine.feed(server.outgoing())
        woken.clear()
        assert not engine.handshake()
        await woken.wait()
        assert engine.handshake()
    engine.close()
    gone = weakref.ref(engine._stepper)  # type: ignore[attr-defined]
    gc.disable()
    try:
        del engine
        while gone() is not None:
            await asyncio.sleep(0.001)
    finally:
        gc.enable()
