"""Whatever a server sends, in whatever pieces, is read without a crash and always in the same way."""

import struct
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.probe.flight import Flight
from broker.probe.server_hello import read_certificates, read_key_exchange, read_server_hello
from broker.probe.suites import CODES

RENEGOTIATION = b"\xff\x01\x00\x01\x00"


def record(kind: int, content: bytes) -> bytes:
    return struct.pack(">BHH", kind, 0x0301, len(content)) + content


def message(kind: int, body: bytes) -> bytes:
    return bytes([kind]) + len(body).to_bytes(3, "big") + body


def hello(suite: str = "DHE-RSA-AES128-SHA", extensions: bytes = RENEGOTIATION, version: int = 0x0301) -> bytes:
    tail = struct.pack(">H", len(extensions)) + extensions if extensions else b""
    return message(2, struct.pack(">H", version) + bytes(32) + b"\x02ab" + struct.pack(">HB", CODES[suite], 0) + tail)


def certificates(*ders: bytes) -> bytes:
    listed = b"".join(len(der).to_bytes(3, "big") + der for der in ders)
    return message(11, len(listed).to_bytes(3, "big") + listed)


DHE = message(12, struct.pack(">H", 96) + b"\x80" + bytes(95) + b"\x00\x01\x02" + bytes(60))
WHOLE = hello() + certificates(b"leaf", b"issuer") + DHE + message(13, b"\x01\x01\x00\x00") + message(14, b"")


def read(*pieces: bytes) -> Flight:
    flight = Flight()
    for piece in pieces:
        flight.feed(piece)
    return flight


def facts(flight: Flight) -> tuple[object, ...]:
    return (
        flight.hello,
        flight.certificates,
        flight.key_exchange,
        flight.wants_certificate,
        flight.done,
        flight.alert,
        flight.warnings,
        flight.foreign,
        flight.sslv2,
        flight.malformed,
    )


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[start:end] for start, end in pairwise(edges)]


def test_a_whole_flight_is_read() -> None:
    flight = read(record(22, WHOLE))
    assert flight.hello is not None
    assert flight.hello.secure_renegotiation
    assert flight.hello.session_id == b"ab"
    assert flight.certificates == (b"leaf", b"issuer")
    assert flight.key_exchange is not None
    assert (flight.key_exchange.kind, flight.key_exchange.bits) == ("dh", 768)
    assert flight.wants_certificate
    assert flight.done


@given(st.lists(st.integers(0, 2000), max_size=12), st.lists(st.integers(0, 2000), max_size=6))
def test_any_cut_of_records_and_of_reads_gives_the_same(records: list[int], reads: list[int]) -> None:
    data = b"".join(record(22, part) for part in cut(WHOLE, records) if part)
    assert facts(read(*cut(data, reads))) == facts(read(record(22, WHOLE)))


@given(st.lists(st.binary(max_size=200), max_size=8))
def test_random_bytes_never_crash(pieces: list[bytes]) -> None:
    read(*pieces)


@given(st.binary(max_size=400), st.lists(st.integers(0, 400), max_size=5))
def test_random_bytes_read_the_same_in_any_cut(data: bytes, places: list[int]) -> None:
    one, other = facts(read(data)), facts(read(*cut(data, places)))
    assert one == other


@given(st.sampled_from([20, 21, 22, 23, 24]), st.binary(max_size=300))
def test_random_records_never_crash(kind: int, content: bytes) -> None:
    read(record(kind, content))


@given(st.integers(0, 255), st.binary(max_size=300))
def test_random_messages_never_crash(kind: int, body: bytes) -> None:
    read(record(22, hello()), record(22, message(kind, body)))


@given(st.binary(max_size=300), st.sampled_from(sorted(CODES)))
def test_random_bodies_never_crash(body: bytes, suite: str) -> None:
    read_server_hello(body)
    read_certificates(body)
    read_key_exchange(body, suite)


@given(st.integers(0, len(WHOLE) - 1), st.integers(1, 255))
def test_a_flipped_byte_never_crashes(place: int, mask: int) -> None:
    data = bytearray(WHOLE)
    data[place] ^= mask
    read(record(22, bytes(data)))


def test_a_fatal_alert_is_named() -> None:
    assert read(record(21, b"\x02\x28")).alert == "handshake_failure"
    assert read(record(21, b"\x02\xc8")).alert == "alert 200"


def test_a_warning_does_not_end_the_flight() -> None:
    flight = read(record(21, b"\x01\x70") + record(22, hello()))
    assert flight.warnings == ["unrecognized_name"]
    assert flight.hello is not None


@pytest.mark.parametrize(
    "data", [b"HTTP/1.1 400 Bad Request\r\n", b"SSH-2.0-x\r\n", b"220 mail\r\n", b"\x00\x00\x12\x04"]
)
def test_other_protocols_are_foreign(data: bytes) -> None:
    for flight in (read(data), read(*(bytes([byte]) for byte in data))):
        assert flight.foreign == data
        assert not flight.malformed


def test_an_answer_of_sslv2_is_told() -> None:
    assert read(b"\x80\x2e\x04\x00\x01\x00\x02").sslv2


def test_a_hello_of_tls_1_3_is_all_there_is_to_read() -> None:
    extension = b"\x00\x2b\x00\x02\x03\x04"
    flight = read(record(22, hello("TLS_AES_128_GCM_SHA256", extension, 0x0303)))
    assert flight.done
    assert flight.hello is not None
    assert flight.hello.version == 0x0304


def test_an_export_key_is_measured() -> None:
    body = b"\x00\x40" + b"\xff" * 64 + b"\x00\x03\x01\x00\x01"
    key = read_key_exchange(body, "EXP-RC4-MD5")
    assert key is not None
    assert (key.kind, key.bits) == ("rsa", 512)
