"""Any cut of the same bytes gives the same parse, and arbitrary bytes give a ProtocolError at worst."""

from contextlib import suppress
from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from broker.http1.errors import ProtocolError
from broker.http1.limits import HeadLimits
from broker.http1.request_parser import RequestParser
from broker.http1.response_parser import ResponseParser


class Sink:
    """Keeps what was parsed."""

    def __init__(self) -> None:
        self.heads: list[Any] = []
        self.bodies: list[bytes] = []
        self.ended = 0

    def on_request(self, head: Any) -> None:
        self.heads.append((head.method, head.target, head.lines) if hasattr(head, "method") else head.lines)
        self.bodies.append(b"")

    def on_request_data(self, data: bytes) -> None:
        self.bodies[-1] += data

    def on_request_end(self) -> None:
        self.ended += 1

    on_response, on_response_data, on_response_end = on_request, on_request_data, on_request_end


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    places = [0, *sorted({cut % (len(data) + 1) for cut in cuts}), len(data)]
    return [data[a:b] for a, b in pairwise(places) if a < b]


def parse(data: bytes, cuts: list[int]) -> Sink:
    sink = Sink()
    parser = RequestParser(sink, HeadLimits())
    for piece in pieces(data, cuts):
        parser.feed(piece)
    return sink


TARGETS = st.lists(st.sampled_from([*range(0x21, 0x7F), *range(0x80, 0x100)]), max_size=30).map(
    lambda codes: b"/" + bytes(code for code in codes if code not in b"#.%")
)
NAMES = st.text("abcXYZ-_!'~09", min_size=1, max_size=12).map(lambda text: b"X-" + text.encode())
VALUES = st.binary(max_size=20).map(lambda raw: bytes(b for b in raw if b >= 0x21 and b != 0x7F))
CUTS = st.lists(st.integers(0, 2000), max_size=8)
CHUNKS = st.lists(st.binary(min_size=1, max_size=40), max_size=5)


@settings(max_examples=150, deadline=None)
@given(TARGETS, st.lists(st.tuples(NAMES, VALUES), max_size=6), CHUNKS, CUTS, st.booleans())
def test_any_cut_gives_the_same_parse(
    target: bytes, lines: list[tuple[bytes, bytes]], chunks: list[bytes], cuts: list[int], upgrade: bool
) -> None:
    lines = [(b"Host", b"a"), *lines, (b"Transfer-Encoding", b"chunked")]
    lines += [(b"Connection", b"upgrade"), (b"Upgrade", b"h2c")] if upgrade else []
    head = b"POST " + target + b" HTTP/1.1\r\n" + b"".join(n + b": " + v + b"\r\n" for n, v in lines) + b"\r\n"
    body = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
    times = 2 if target.isascii() else 1
    sink = parse((head + body) * times, cuts)
    assert sink.heads == [(b"POST", target, lines)] * times
    assert (sink.bodies, sink.ended) == ([b"".join(chunks)] * times, times)


STARTS = [b"", b"GET / HTTP/1.1\r\n", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"]
ANSWERS = [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"HTTP/1.1 1"]


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(STARTS), st.binary(max_size=200), CUTS)
def test_arbitrary_requests_raise_nothing_but_protocol_errors(start: bytes, data: bytes, cuts: list[int]) -> None:
    with suppress(ProtocolError):
        parse(start + data, cuts)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(ANSWERS), st.binary(max_size=200), CUTS, st.sampled_from([b"GET", b"HEAD"]))
def test_arbitrary_answers_raise_nothing_but_protocol_errors(
    start: bytes, data: bytes, cuts: list[int], method: bytes
) -> None:
    parser = ResponseParser(Sink())
    parser.expect(method)
    with suppress(ProtocolError):
        for piece in pieces(start + data, cuts):
            parser.feed(piece)
        parser.feed_eof()


def test_the_bytes_of_a_body_never_become_the_target_behind_it() -> None:
    first = b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n/\xe9 "
    sink = parse(first + b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n", [])
    assert [target for _, target, _ in sink.heads] == [b"/a", b"/x"]
