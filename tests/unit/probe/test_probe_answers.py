"""What is read from raw answers, well-formed or not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.probe.answers import is_wsdl, read_answer
from broker.probe.http import read_status
from broker.probe.tap import whole


@given(st.binary(max_size=300))
def test_random_bytes_never_crash(data: bytes) -> None:
    for text in (data, b"HTTP/1.1 200 OK\r\n" + data):
        answer = read_answer(text)
        assert answer is None or answer.challenges is not None
        read_status(text)
        whole(text, bodyless=False)


def test_challenges_are_told_apart() -> None:
    answer = read_answer(
        b"HTTP/1.1 401 Unauthorized\r\nServer: Microsoft-IIS/6.0\r\nWWW-Authenticate: Negotiate\r\n"
        b'WWW-Authenticate: NTLM\r\nwww-authenticate : Basic realm="a b", Digest realm="d", nonce="n"\r\n\r\n'
    )
    assert answer is not None
    assert answer.challenges == ["Negotiate", "NTLM", 'Basic (realm "a b")', 'Digest (realm "d")']
    assert answer.values("server") == ["Microsoft-IIS/6.0"]


def test_interim_answers_are_skipped() -> None:
    data = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n"
    answer = read_answer(data)
    assert answer is not None
    assert answer.status == 204
    assert read_status(data) == 100
    assert whole(data, bodyless=False)


def test_lines_that_end_in_lf_alone_are_read() -> None:
    answer = read_answer(b"HTTP/1.0 200 OK\nServer: old\n\nbody")
    assert answer is not None
    assert (answer.version, answer.values("server"), answer.body) == ("1.0", ["old"], b"body")


def test_control_characters_are_not_shown() -> None:
    answer = read_answer(b"HTTP/1.1 200 O\x1b[31mK\r\nServer: a\x07b\r\n\r\n")
    assert answer is not None
    assert (answer.reason, answer.values("server")) == ("O?[31mK", ["a?b"])


@pytest.mark.parametrize(
    ("lines", "kept"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n", True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n", False),
        (b"HTTP/1.1 200 OK\r\n", False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n", False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\nConnection: Keep-Alive\r\n", True),
    ],
)
def test_what_an_answer_promises_about_its_connection(lines: bytes, kept: bool) -> None:
    answer = read_answer(lines + b"\r\n")
    assert answer is not None
    assert answer.promises_more is kept


@pytest.mark.parametrize(
    ("data", "complete"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab", True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na", False),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n", False),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n", True),
        (b"HTTP/1.1 200 OK\r\n\r\nuntil the end", False),
        (b"HTTP/1.1 304 Not Modified\r\n\r\n", True),
        (b"HTTP/1.1 200 OK\r\n", False),
    ],
)
def test_when_an_answer_is_all_there(data: bytes, complete: bool) -> None:
    assert whole(data, bodyless=False) is complete


def test_a_wsdl_is_recognised() -> None:
    body = b'<?xml version="1.0"?><wsdl:definitions xmlns:wsdl="http://schemas.xmlsoap.org/wsdl/"/>'
    assert is_wsdl(read_answer(b"HTTP/1.1 200 OK\r\n\r\n" + body))
    assert not is_wsdl(read_answer(b"HTTP/1.1 200 OK\r\n\r\n<html>definitions of wsdl</html>"))
    assert not is_wsdl(read_answer(b"HTTP/1.1 404 Not Found\r\n\r\n" + body))
