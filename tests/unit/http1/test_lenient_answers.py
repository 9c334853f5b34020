"""Each quirk lets through what it names, and nothing else; without it the same bytes are refused."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker.core.heads import Framing, ResponseHead
from broker.core.message import Line
from broker.core.quirks import NO_QUIRKS, Quirk, Quirks
from broker.http1.advice import advice, with_advice
from broker.http1.errors import ProtocolError
from broker.http1.lenient_parser import AnswerRules, LenientResponseParser
from broker.http1.limits import HeadLimits
from broker.http1.request_parser import RequestParser
from broker.http1.response_parser import ResponseParser

OK = b"HTTP/1.1 200 OK\r\n"
TWO = b"Content-Length: 2\r\n\r\nok"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
LENGTH = (b"Content-Length", b"2")
A = (b"X-A", b"b")
ALL: Quirks = frozenset(Quirk)


class Sink:
    """Keeps what was parsed."""

    def __init__(self) -> None:
        self.head: ResponseHead | None = None
        self.body = b""
        self.ended = 0

    def on_response(self, head: ResponseHead) -> None:
        self.head = head

    def on_response_data(self, data: bytes) -> None:
        self.body += data

    def on_response_end(self) -> None:
        self.ended += 1


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    places = [0, *sorted({cut % (len(data) + 1) for cut in cuts}), len(data)]
    return [data[a:b] for a, b in pairwise(places) if a < b]


def parse(parser: ResponseParser, sink: Sink, data: bytes, cuts: list[int], method: bytes = b"GET") -> Sink:
    parser.expect(method)
    for piece in pieces(data, cuts):
        parser.feed(piece)
    parser.feed_eof()
    assert sink.ended == 1
    return sink


def strict(data: bytes, cuts: list[int] | None = None, method: bytes = b"GET") -> Sink:
    sink = Sink()
    return parse(ResponseParser(sink), sink, data, cuts or [], method)


def lenient(data: bytes, quirks: Quirks, cuts: list[int] | None = None, method: bytes = b"GET") -> Sink:
    sink = Sink()
    return parse(LenientResponseParser(sink, AnswerRules(quirks)), sink, data, cuts or [], method)


FOLDED = OK + b"X-A: b\r\n%bX-B: d\r\n" + TWO
CASES: list[tuple[Quirk, bytes, list[Line]]] = [
    (Quirk.BARE_LF, b"HTTP/1.1 200 OK\nX-A: b\nContent-Length: 2\n\nok", [A, LENGTH]),
    (Quirk.BARE_LF, OK + b"X-A: b\n" + TWO, [A, LENGTH]),
    (Quirk.BARE_LF, OK + b"Content-Length: 2\r\n\nok", [LENGTH]),
    (Quirk.BARE_LF, b"HTTP/1.1 200\n" + TWO, [LENGTH]),
    (Quirk.BARE_LF, CHUNKED + b"2\r\nok\n0\r\n\r\n", [(b"Transfer-Encoding", b"chunked")]),
    (Quirk.BARE_LF, CHUNKED + b"2\r\nok\r\n0\r\n\n", [(b"Transfer-Encoding", b"chunked")]),
    (Quirk.OBS_FOLD, FOLDED % b" c\r\n", [(b"X-A", b"b c"), (b"X-B", b"d"), LENGTH]),
    (Quirk.OBS_FOLD, FOLDED % b"\t \tc\r\n c\r\n", [(b"X-A", b"b c c"), (b"X-B", b"d"), LENGTH]),
    (Quirk.OBS_FOLD, OK + b"X-A:\r\n b\r\n" + TWO, [A, LENGTH]),
    (Quirk.OBS_FOLD, OK + b"Content-Length:\r\n 2\r\n\r\nok", [LENGTH]),
    (Quirk.HEADER_NAME_SPACES, OK + b"X-A : b\r\n" + TWO, [A, LENGTH]),
    (Quirk.HEADER_NAME_SPACES, OK + b"X-A \t : b\r\n" + TWO, [A, LENGTH]),
    (Quirk.HEADER_NAME_SPACES, OK + b"Content-Length : 2\r\n\r\nok", [LENGTH]),
    (Quirk.INVALID_HEADER_CHARS, OK + b"X-A: b\x00c\x1b\x7f\r\n" + TWO, [(b"X-A", b"b c  "), LENGTH]),
    (Quirk.INVALID_HEADER_CHARS, OK + b"X-A: b\rX-B: c\r\n" + TWO, [(b"X-A", b"b X-B: c"), LENGTH]),
    (Quirk.DUPLICATE_CONTENT_LENGTH, OK + b"Content-Length: 2\r\nX-A: b\r\ncontent-length:2\r\n\r\nok", [LENGTH, A]),
    (Quirk.DUPLICATE_CONTENT_LENGTH, OK + b"Content-Length: 2, 2 ,2\r\n\r\nok", [LENGTH]),
    (
        Quirk.CONTENT_LENGTH_AND_CHUNKED,
        OK + b"Content-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        [(b"Transfer-Encoding", b"chunked")],
    ),
    (Quirk.CONTENT_LENGTH_MISMATCH, OK + b"Content-Length: 3\r\nX-A: b\r\n\r\nok", [A]),
    (Quirk.BAD_CHUNK_SIZE_SPACES, CHUNKED + b"2  \r\nok\r\n0\t\r\n\r\n", [(b"Transfer-Encoding", b"chunked")]),
    (Quirk.CHUNK_WITHOUT_CRLF, CHUNKED + b"1\r\no1\r\nk0\r\n\r\n", [(b"Transfer-Encoding", b"chunked")]),
    (Quirk.UNKNOWN_VERSION, b"HTTP/1.2 200 OK\r\n" + TWO, [LENGTH]),
]


def test_every_quirk_has_a_case() -> None:
    # A missing reason phrase is nothing that strict reading minds.
    assert {quirk for quirk, _, _ in CASES} == ALL - {Quirk.MISSING_REASON}


@pytest.mark.parametrize(("quirk", "data", "lines"), CASES)
def test_a_quirk_lets_through_what_it_names(quirk: Quirk, data: bytes, lines: list[Line]) -> None:
    for cuts in [], list(range(len(data))):
        sink = lenient(data, frozenset({quirk}), cuts)
        assert sink.head is not None
        assert (sink.head.status, sink.head.lines, sink.body) == (200, lines, b"ok")


@pytest.mark.parametrize(("quirk", "data", "lines"), CASES)
def test_no_other_quirk_lets_it_through(quirk: Quirk, data: bytes, lines: list[Line]) -> None:
    with pytest.raises(ProtocolError):
        strict(data)
    with pytest.raises(ProtocolError):
        lenient(data, ALL - {quirk})


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(CASES), st.lists(st.integers(0, 200), max_size=6), st.booleans())
def test_any_cut_gives_the_same_answer(case: tuple[Quirk, bytes, list[Line]], cuts: list[int], interim: bool) -> None:
    quirk, data, lines = case
    sink = lenient((b"HTTP/1.1 103 Early\r\nLink: </a>\r\n\r\n" if interim else b"") + data, frozenset({quirk}), cuts)
    assert sink.head is not None
    assert (sink.head.lines, sink.body) == (lines, b"ok")


NAMES = st.text("abcXYZ-_!'~09", min_size=1, max_size=12).map(lambda text: b"X-" + text.encode())
VALUES = st.binary(max_size=20).map(lambda raw: bytes(b for b in raw if b >= 0x20 and b != 0x7F).strip())
QUIRKS = st.frozensets(st.sampled_from(list(Quirk)))
BODIES = st.binary(max_size=60)
CUTS = st.lists(st.integers(0, 2000), max_size=8)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.tuples(NAMES, VALUES), max_size=5),
    BODIES,
    st.sampled_from(["length", "chunked", "close"]),
    QUIRKS,
    CUTS,
    st.sampled_from([b"GET", b"HEAD"]),
)
def test_what_is_strict_means_the_same_with_any_quirks(
    fields: list[Line], body: bytes, framing: str, quirks: Quirks, cuts: list[int], method: bytes
) -> None:
    framed = {
        "length": b"Content-Length: %d\r\n\r\n%b" % (len(body), body),
        "chunked": b"Transfer-Encoding: chunked\r\n\r\n"
        + (b"%x;n=v\r\n%b\r\n" % (len(body), body) if body else b"")
        + b"0\r\nX-Sum: 1\r\n\r\n",
        "close": b"\r\n" + body,
    }
    data = OK + b"".join(name + b": " + value + b"\r\n" for name, value in fields) + framed[framing]
    plain, other = strict(data, [], method), lenient(data, quirks, cuts, method)
    assert plain.head is not None
    if Quirk.CONTENT_LENGTH_MISMATCH in quirks and plain.head.framing is Framing.LENGTH and body:
        # No length is promised that may turn out wrong; all else is the same.
        plain.head.framing, plain.head.has_length, plain.head.length = Framing.CLOSE, False, 0
        plain.head.lines = [line for line in plain.head.lines if line[0] != b"Content-Length"]
    assert (other.head, other.body) == (plain.head, plain.body)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from([OK, CHUNKED, b"", OK + b"X-A: b\r\n"]), st.binary(max_size=200), QUIRKS, CUTS)
def test_arbitrary_answers_raise_nothing_but_protocol_errors(
    start: bytes, data: bytes, quirks: Quirks, cuts: list[int]
) -> None:
    try:
        lenient(start + data, quirks, cuts)
    except ProtocolError as error:
        advice(error, start + data, bodyless=False, have=quirks)


@pytest.mark.parametrize(
    "data",
    [
        OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nokk",
        OK + b"Content-Length: 2, 3\r\n\r\nokk",
        OK + b"Content-Length: 2\r\n 3\r\n\r\nok",
        OK + b"Content-Length: -2\r\n\r\nok",
        OK + b"Content-Length: 2\r\nTransfer-Encoding: gzip\r\n\r\nok",
        OK + b"Transfer-Encoding: chunked\r\n , gzip\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        OK + b" X-A: b\r\n" + TWO,
        OK + b"X A: b\r\n" + TWO,
        OK + b"X\x01A: b\r\n" + TWO,
        OK + b": b\r\n" + TWO,
        OK + b"no colon\r\n" + TWO,
        b"HTTP/1.1  200 OK\r\n" + TWO,
        b"HTTP/1.1 200 O\x00K\r\n" + TWO,
        b"220 mail.example ESMTP ready\r\n",
        CHUNKED + b"2\nok\n0\n\n",
        CHUNKED + b"2\r\nok\r\n",
        OK + b"X-A: " + b"b" * 300_000,
    ],
)
def test_what_no_quirk_is_about_stays_refused(data: bytes) -> None:
    for cuts in [], list(range(0, len(data), 7)):
        with pytest.raises(ProtocolError):
            lenient(data, ALL, cuts)


def test_what_is_no_answer_is_refused_at_once() -> None:
    sink = Sink()
    parser = LenientResponseParser(sink, AnswerRules(ALL))
    parser.expect(b"GET")
    with pytest.raises(ProtocolError):
        parser.feed(b"22")


def test_chunked_wins_over_a_length_and_the_connection_ends() -> None:
    sink = lenient(
        OK + b"Content-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        frozenset({Quirk.CONTENT_LENGTH_AND_CHUNKED}),
    )
    assert sink.head is not None
    assert (sink.head.framing, sink.head.keep_alive) == (Framing.CHUNKED, False)


def test_bytes_behind_a_body_are_surplus_with_any_quirks() -> None:
    for quirks in NO_QUIRKS, ALL:
        sink = Sink()
        parser = LenientResponseParser(sink, AnswerRules(quirks))
        parser.expect(b"GET")
        parser.feed(OK + TWO + b"more")
        assert (sink.body, sink.ended, parser.surplus) == (b"ok", 1, True)


def test_one_parser_reads_one_answer_after_the_other() -> None:
    sink = Sink()
    parser = LenientResponseParser(sink, AnswerRules(frozenset({Quirk.OBS_FOLD})))
    for method in (b"GET", b"HEAD", b"GET"):
        parser.expect(method)
        parser.feed(OK + b"X-A: b\r\n c\r\n" + (TWO[:-2] if method == b"HEAD" else TWO))
        assert sink.head is not None
        assert sink.head.lines == [(b"X-A", b"b c"), LENGTH]
    assert (sink.body, sink.ended, parser.surplus) == (b"okok", 3, False)


@pytest.mark.parametrize(
    ("line", "kept"), [(b"", False), (b"Connection: keep-alive\r\n", True), (b"Connection: close\r\n", False)]
)
def test_a_connection_asked_in_1_0_is_kept_only_when_the_answer_says_so(line: bytes, kept: bool) -> None:
    for start in OK, b"HTTP/1.0 200 OK\r\n":
        sink = Sink()
        parser = LenientResponseParser(sink, AnswerRules(asked_in_1_0=True))
        head = parse(parser, sink, start + line + TWO, []).head
        assert head is not None
        assert head.keep_alive is kept


# What the error says.


def advised(data: bytes, cuts: list[int], have: Quirks = NO_QUIRKS, method: bytes = b"GET") -> str:
    sink = Sink()
    parser = LenientResponseParser(sink, AnswerRules(have)) if have else ResponseParser(sink)
    with pytest.raises(ProtocolError) as caught:
        parse(parser, sink, data, cuts, method)
    return with_advice(caught.value, parser, have)


@pytest.mark.parametrize(("quirk", "data", "lines"), CASES)
def test_the_refusal_names_the_quirk(quirk: Quirk, data: bytes, lines: list[Line]) -> None:
    assert advised(data, []).endswith(f"; `http.lenient: [{quirk}]` of this upstream accepts this.")
    split = data.index(b"\r\n\r\n") if b"\r\n\r\n" in data else len(data)
    assert f"[{quirk}]" in advised(data, [3, 9, split + 4])


def test_all_that_is_needed_is_named_and_no_more() -> None:
    data = OK + b"X-A : b\r\n c\r\n" + TWO
    assert "`http.lenient: [obs_fold, header_name_spaces]`" in advised(data, [])
    assert "`http.lenient: [header_name_spaces]`" in advised(data, [], frozenset({Quirk.OBS_FOLD}))
    assert "`http.lenient: [bare_lf]`" in advised(OK.replace(b"\r", b"") + TWO, [], method=b"HEAD")


@pytest.mark.parametrize(
    "data", [b"HTTP/1.1  200 OK\r\n" + TWO, b"no HTTP\r\n", OK + b"Content-Length: two\r\n\r\n", CHUNKED + b"zz\r\n"]
)
def test_nothing_is_named_where_nothing_helps(data: bytes) -> None:
    assert "lenient" not in advised(data, [])


# Hop 1.


@pytest.mark.parametrize(
    "data",
    [
        b"POST / HTTP/1.1\nHost: a\n\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nX-A: b\r\n c\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nX-A : b\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nX-A: b\x01\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2  \r\nok\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok0\r\n\r\n",
        b"POST / HTTP/1.2\r\nHost: a\r\n\r\n",
    ],
)
def test_a_caller_gets_no_leniency(data: bytes) -> None:
    class Nobody:
        def on_request(self, head: object) -> None: ...
        def on_request_data(self, data: bytes) -> None: ...
        def on_request_end(self) -> None: ...

    with pytest.raises(ProtocolError):
        RequestParser(Nobody(), HeadLimits()).feed(data)
