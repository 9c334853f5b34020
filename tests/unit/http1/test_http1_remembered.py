"""What is remembered of requests is short, however long it came: anybody may send it, over and over."""

import pytest

from broker.core.heads import RequestHead
from broker.http1 import head, target
from broker.http1.errors import ProtocolError
from broker.http1.head import HOST, sort_lines
from broker.http1.limits import HeadLimits
from broker.http1.request_parser import RequestParser
from broker.http1.target import host_of
from broker.rewrite.names import Prefixes

LONG = b"x" * 65


def test_long_names_are_not_remembered() -> None:
    assert sort_lines([(LONG, b"v"), (b"x-remembered-name", b"v"), (b"Host", b"a")]) == {HOST: [b"a"]}
    assert LONG not in head._kinds
    assert b"x-remembered-name" in head._kinds


def test_how_long_names_are_forwarded_is_found_out_each_time() -> None:
    prefixes = Prefixes(lambda name: name != b"dropped")
    assert [prefixes[name] for name in (LONG, b"X-A", b"dropped", LONG)] == [
        LONG + b": ",
        b"X-A: ",
        None,
        LONG + b": ",
    ]
    assert set(prefixes) == {b"X-A", b"dropped"}


def test_the_longest_authority_passes_and_nothing_of_a_longer_one_is_remembered() -> None:
    assert host_of(b"h" * 255 + b":65535") == "h" * 255
    before = target._remembered_host.cache_info()
    with pytest.raises(ProtocolError, match="too long"):
        host_of(b"h" * 256 + b":65535")
    assert target._remembered_host.cache_info() == before


@pytest.mark.parametrize(
    "start", [b"GET http://%b/ HTTP/1.%b\r\nHost: a\r\n\r\n", b"GET / HTTP/1.%b\r\nHost: %b\r\n\r\n"]
)
@pytest.mark.parametrize("minor", [b"0", b"1"])
def test_a_request_with_a_longer_authority_is_refused(start: bytes, minor: bytes) -> None:
    class Sink:
        def on_request(self, head: RequestHead) -> None:
            raise AssertionError(head)

        def on_request_data(self, data: bytes) -> None: ...

        def on_request_end(self) -> None: ...

    parts = (b"h" * 262, minor) if start.startswith(b"GET http") else (minor, b"h" * 262)
    with pytest.raises(ProtocolError, match="too long"):
        RequestParser(Sink(), HeadLimits()).feed(start % parts)
