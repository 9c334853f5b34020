"""The hello that is sent: exact in size and shape, and understood by a real library."""

import ssl

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from broker.probe import suites
from broker.probe.flight import Flight
from broker.probe.hello import Hello, sslv2_hello
from broker.testing.contexts import server_context
from broker.testing.pki import self_signed
from broker.tls.versions import TlsVersion

LONG_NAME = "warehouse-number-seventeen.example.com"
RSA = self_signed(key="rsa2048")
versions = st.sampled_from(list(TlsVersion))
codes = st.lists(st.integers(0, 0xFFFF), min_size=1, max_size=200).map(tuple)
names = st.none() | st.from_regex(r"[a-z]{1,40}\.test", fullmatch=True)


def parts(record: bytes) -> tuple[int, list[int], dict[int, bytes] | None]:
    """(version, suites, extensions or None) of a hello, read by the rules of RFC 5246 section 7.4.1.2."""
    assert record[0] == 22
    assert int.from_bytes(record[3:5], "big") == len(record) - 5
    message = record[5:]
    assert message[0] == 1
    assert int.from_bytes(message[1:4], "big") == len(message) - 4
    at = 4 + 2 + 32
    at += 1 + message[at]
    size = int.from_bytes(message[at : at + 2], "big")
    offered = [int.from_bytes(message[i : i + 2], "big") for i in range(at + 2, at + 2 + size, 2)]
    at += 2 + size
    assert message[at : at + 2] == b"\x01\x00"
    at += 2
    if at == len(message):
        return int.from_bytes(message[4:6], "big"), offered, None
    assert int.from_bytes(message[at : at + 2], "big") == len(message) - at - 2
    at += 2
    found: dict[int, bytes] = {}
    while at < len(message):
        number, length = int.from_bytes(message[at : at + 2], "big"), int.from_bytes(message[at + 2 : at + 4], "big")
        assert number not in found
        found[number] = message[at + 4 : at + 4 + length]
        at += 4 + length
    assert at == len(message)
    return int.from_bytes(message[4:6], "big"), offered, found


@given(versions, codes, names, st.booleans(), st.booleans(), st.integers(0, 2000))
def test_every_hello_is_well_formed(
    version: TlsVersion, offered: tuple[int, ...], name: str | None, extensions: bool, optional: bool, pad_to: int
) -> None:
    hello = Hello(version, offered, name, extensions=extensions, optional=optional, pad_to=pad_to)
    said, listed, found = parts(hello.encode())
    assert said == min(version, TlsVersion.TLSv1_2)
    assert listed == [*offered, suites.SCSV]
    if not extensions or version is TlsVersion.SSLv3:
        assert found is None
    else:
        assert found is not None
        assert (0 in found) is (name is not None)
        assert (43 in found) is (version is TlsVersion.TLSv1_3)


@given(st.integers(300, 4000))
def test_padding_is_exact(size: int) -> None:
    assert len(Hello(TlsVersion.TLSv1_2, suites.OLD_FEW, "a.test", pad_to=size).encode()) == size + 5


@pytest.mark.parametrize("version", [each for each in TlsVersion if each is not TlsVersion.TLSv1_3])
def test_the_usual_hellos_upset_nobody_by_their_size(version: TlsVersion) -> None:
    for listed in (suites.common(version), suites.rare(version)):
        hello = Hello(version, listed, LONG_NAME)
        assert len(hello.encode()) - 5 < 256
        assert len(listed) + 1 <= 64


def answer(hello: bytes, **options: ssl.TLSVersion) -> Flight:
    """What OpenSSL says to it."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = server_context(RSA, **options).wrap_bio(incoming, outgoing, server_side=True)
    incoming.write(hello)
    with pytest.raises(ssl.SSLError):
        server.do_handshake()
    flight = Flight()
    flight.feed(outgoing.read())
    return flight


@pytest.mark.parametrize(
    ("version", "spoken"),
    [
        (TlsVersion.TLSv1_0, ssl.TLSVersion.TLSv1),
        (TlsVersion.TLSv1_1, ssl.TLSVersion.TLSv1_1),
        (TlsVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2),
        (TlsVersion.TLSv1_3, ssl.TLSVersion.TLSv1_3),
    ],
)
@pytest.mark.parametrize("optional", [False, True])
def test_a_library_answers_each_version(version: TlsVersion, spoken: ssl.TLSVersion, optional: bool) -> None:
    hello = Hello(version, suites.common(version), "a.test", optional=optional).encode()
    flight = answer(hello, minimum=spoken, maximum=spoken)
    assert flight.hello is not None
    assert flight.hello.tls_version is version
    assert flight.hello.secure_renegotiation
    assert flight.done
    if version < TlsVersion.TLSv1_3:
        assert flight.certificates[0] == RSA.certificate.public_bytes(Encoding.DER)
        assert flight.key_exchange is not None
        assert flight.key_exchange.kind == "ecdh"


def test_an_old_server_is_greeted_with_what_it_can_choose() -> None:
    hello = Hello(TlsVersion.TLSv1_3, (*suites.TLS13, *suites.common(TlsVersion.TLSv1_2)[:24]), None).encode()
    flight = answer(hello, minimum=ssl.TLSVersion.TLSv1, maximum=ssl.TLSVersion.TLSv1)
    assert flight.hello is not None
    assert flight.hello.tls_version is TlsVersion.TLSv1_0


def test_a_refusal_is_an_alert() -> None:
    hello = Hello(TlsVersion.TLSv1_0, suites.OLD_FEW).encode()
    flight = answer(hello, minimum=ssl.TLSVersion.TLSv1_2)
    assert (flight.hello, flight.alert) == (None, "protocol_version")


def test_the_hello_of_sslv2_has_its_length() -> None:
    hello = sslv2_hello()
    assert hello[0] & 0x80
    assert int.from_bytes(hello[:2], "big") & 0x7FFF == len(hello) - 2
    assert len(hello) == 2 + 9 + 21 + 16
