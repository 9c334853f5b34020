"""Durations, sizes, addresses: strings of the file that become values."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.config.address import BindAddress, Target
from broker.config.http_fields import parse_header_value, parse_method, parse_soap_action, parse_url_path
from broker.config.scalars import (
    DURATION,
    SIZE,
    parse_duration,
    parse_network,
    parse_pin,
    parse_size,
    parse_timeout,
)

NUMBERS = st.integers(0, 999_999_999)


@given(NUMBERS, st.sampled_from([("ms", 0.001), ("s", 1), ("m", 60), ("h", 3600)]))
def test_durations_are_seconds(number: int, unit: tuple[str, float]) -> None:
    assert parse_duration(f"{number}{unit[0]}") == pytest.approx(number * unit[1])


@given(NUMBERS, st.sampled_from([("B", 0), ("KiB", 10), ("MiB", 20), ("GiB", 30)]))
def test_sizes_are_bytes(number: int, unit: tuple[str, int]) -> None:
    assert parse_size(f"{number}{unit[0]}") == number << unit[1]


@given(st.text(), st.sampled_from([(parse_duration, DURATION), (parse_size, SIZE)]))
def test_any_other_text_is_refused_as_the_schema_refuses_it(text: str, case) -> None:
    parse, pattern = case
    if re.fullmatch(pattern.strip("^$"), text):
        parse(text)
    else:
        with pytest.raises(ValueError, match="expected a"):
            parse(text)


@pytest.mark.parametrize("value", [5, 0.5, True, False, None, "5", "-1s", "1.5s", "5 s", "5S", "٥s", "5s\n", [], {}])
def test_what_is_no_duration(value: object) -> None:
    with pytest.raises(ValueError, match="expected a duration"):
        parse_duration(value)


@pytest.mark.parametrize("value", [-1, True, 1.5, None, "1KB", "1kib", "1", "", "1MiB\n"])
def test_what_is_no_size(value: object) -> None:
    with pytest.raises(ValueError, match="expected a size"):
        parse_size(value)


def test_zero_is_a_duration_but_no_timeout() -> None:
    assert parse_duration(0) == 0
    for zero in (0, "0s", "0ms"):
        with pytest.raises(ValueError, match="longer than 0"):
            parse_timeout(zero)


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("0.0.0.0:8443", "0.0.0.0", 8443),
        ("[::]:8443", "::", 8443),
        ("LocalHost:0", "localhost", 0),
        ("[::1]:65535", "::1", 65535),
    ],
)
def test_addresses_to_listen_on(text: str, host: str, port: int) -> None:
    address = BindAddress.parse(text)
    assert (address.host, address.port) == (host, port)
    assert BindAddress.parse(str(address)) == address


@pytest.mark.parametrize(
    "text",
    [
        "8443",
        ":8443",
        "host",
        "host:",
        "host:65536",
        "::1:80",
        "[::1]",
        "[x]:1",
        "1.2.3:4",
        "a b:1",
        "*:1",
        "h:1\n",
    ],
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected|must be"):
        BindAddress.parse(text)


@pytest.mark.parametrize(
    ("text", "host", "port", "authority"),
    [
        ("https://10.0.0.12:8443", "10.0.0.12", 8443, "10.0.0.12:8443"),
        ("HTTPS://Warehouse.Corp/", "warehouse.corp", 443, "warehouse.corp"),
        ("http://[2001:DB8::1]", "2001:db8::1", 80, "[2001:db8::1]"),
        ("https://[::1]:80", "::1", 80, "[::1]:80"),
        ("http://h:443", "h", 443, "h:443"),
        ("https://h:443", "h", 443, "h"),
    ],
)
def test_targets(text: str, host: str, port: int, authority: str) -> None:
    target = Target.parse(text)
    assert (target.host, target.port, target.authority) == (host, port, authority)
    assert Target.parse(str(target)) == target


@pytest.mark.parametrize(
    "text",
    ["ftp://h", "h:80", "https://", "https://h/path", "https://h?q", "https://h#f", "https://h:0", "https://h:99999",
     "https://münchen.de", "https://1.2.3.999", "https://[::1", "https://[fe80::1%25eth0]", "https://h/\n",
     "https://a b"],
)  # fmt: skip
def test_what_is_no_target(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected|must be|not supported"):
        Target.parse(text)


def test_a_target_with_a_password_is_refused_and_not_repeated() -> None:
    with pytest.raises(ValueError, match="credentials") as caught:
        Target.parse("https://user:hunter2@h")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("text", ["AB:" * 31 + "cd", "ab" * 31 + "CD"])
def test_pins_are_normalised(text: str) -> None:
    assert parse_pin(text) == "ab" * 31 + "cd"


@pytest.mark.parametrize("value", ["ab", "zz" * 32, 12, None, "ab" * 33])
def test_what_is_no_pin(value: object) -> None:
    with pytest.raises(ValueError, match="SHA-256"):
        parse_pin(value)


def test_networks() -> None:
    assert str(parse_network("10.0.0.0/8")) == "10.0.0.0/8"
    assert str(parse_network("::1")) == "::1/128"
    for value in ("10.0.0.1/8", "x", 10, True, ""):
        with pytest.raises(ValueError, match="expected a network"):
            parse_network(value)


@pytest.mark.parametrize("path", ["/", "/a/", "/a%20b", "/a..b/", "/.../", "/a;b=1", "/~x/:@&=+$,!'()*"])
def test_paths_that_requests_have(path: str) -> None:
    assert parse_url_path(path) == path


@pytest.mark.parametrize(
    "path",
    ["", "a", "*", None, "/a?b", "/a#b", "/a b", "/ä", "/\x7f", "/a\n", "/..", "/../a", "/a/..", "/a/%2e%2E/b",
     "/a/.%2e",     "/a%2f..", "/a\\..\\b", "/a/..;x/", "/%", "/%zz", "/%2"],
)  # fmt: skip
def test_paths_that_no_request_can_have(path: object) -> None:
    with pytest.raises(ValueError, match="path"):
        parse_url_path(path)


def test_methods_are_upper_case_and_some_never_forwarded() -> None:
    assert parse_method("get") == "GET"
    for value in ("trace", "CONNECT", "G T", "", None):
        with pytest.raises(ValueError, match=r"never forwarded|expected a method"):
            parse_method(value)


def test_quotes_around_a_soap_action_do_not_count() -> None:
    assert parse_soap_action('"urn:x"') == parse_soap_action("urn:x") == "urn:x"
    assert parse_soap_action('""') == ""
    assert parse_soap_action('"') == '"'


@pytest.mark.parametrize("value", [1, True, None, "a\r\nb", "ä"])
def test_what_no_header_says(value: object) -> None:
    with pytest.raises(ValueError, match="expected"):
        parse_header_value(value)
