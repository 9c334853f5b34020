"""What the upstream is told about the caller comes from the broker, or from a proxy that it trusts."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

Relay = Callable[..., Awaitable[bytes]]

HEAD = b"GET /a HTTP/1.1\r\nHost: localhost:8443\r\n"
SPOOFED = [
    b"X-Forwarded-For: 6.6.6.6",
    b"x-forwarded-host: evil.test",
    b"X-FORWARDED-PROTO: http",
    b"X-Forwarded-Port: 80",
    b"X-Forwarded-Prefix: /evil",
    b"X-Forwarded-Client-Cert: x",
    b"Forwarded: for=6.6.6.6",
    b"X-Real-IP: 6.6.6.6",
    b"X_Forwarded_For: 6.6.6.6",
    b"X-Forwarded_For: 6.6.6.6",
    b"x_real_ip: 6.6.6.6",
    b"X.Forwarded.For: 6.6.6.6",
    b"X-Forwarded~Host: evil.test",
    b"X!Real+IP: 6.6.6.6",
    b"Content_Length: 7",
    b"Content.Length: 7",
    b"Transfer_Encoding: chunked",
]
OWN = [
    b"X-Forwarded-For: 127.0.0.1",
    b"X-Forwarded-Proto: https",
    b"X-Forwarded-Host: localhost:8443",
    b"Via: 1.1 broker",
]


def lines(request: bytes) -> list[bytes]:
    return request.partition(b"\r\n\r\n")[0].split(b"\r\n")[2:]


@pytest.mark.parametrize("line", SPOOFED)
async def test_a_spoofed_line_is_dropped(relay: Relay, line: bytes) -> None:
    assert lines(await relay(HEAD + line + b"\r\nX-Kept: 1\r\n\r\n")) == [b"X-Kept: 1", *OWN]


@pytest.mark.parametrize("line", SPOOFED)
async def test_a_spoofed_line_is_dropped_even_where_nothing_is_added(relay: Relay, line: bytes) -> None:
    listener = {"forwarded": "off", "via": False}
    assert lines(await relay(HEAD + line + b"\r\nX-Kept: 1\r\n\r\n", listener=listener)) == [b"X-Kept: 1"]


async def test_the_account_may_follow_rfc_7239(relay: Relay) -> None:
    listener = {"forwarded": "rfc7239"}
    expected = [b'Forwarded: for=127.0.0.1;proto=https;host="localhost:8443"', b"Via: 1.1 broker"]
    assert lines(await relay(HEAD + b"\r\n", listener=listener)) == expected


async def test_a_trusted_proxy_is_continued(relay: Relay) -> None:
    told = (
        b"X-Forwarded-For: 1.2.3.4\r\nX-Forwarded-For: 5.6.7.8\r\nX-Forwarded-Proto: http\r\n"
        b"X-Forwarded-Host: first.test\r\nX-Real-IP: 1.2.3.4\r\nX_Forwarded_For: 6.6.6.6\r\n"
        b"X.Forwarded.Host: evil.test\r\n\r\n"
    )
    listener = {"trusted_proxies": ["127.0.0.0/8"]}
    assert lines(await relay(HEAD + told, listener=listener)) == [
        b"X-Forwarded-Proto: http",
        b"X-Forwarded-Host: first.test",
        b"X-Real-IP: 1.2.3.4",
        b"X-Forwarded-For: 1.2.3.4, 5.6.7.8, 127.0.0.1",
        b"Via: 1.1 broker",
    ]


async def test_a_proxy_elsewhere_is_not_trusted(relay: Relay) -> None:
    listener = {"trusted_proxies": ["10.0.0.0/8"]}
    assert lines(await relay(HEAD + b"X-Forwarded-For: 1.2.3.4\r\n\r\n", listener=listener)) == OWN


async def test_via_of_others_is_kept_and_ours_comes_behind(relay: Relay) -> None:
    assert lines(await relay(HEAD + b"Via: 1.0 fred\r\n\r\n"))[0] == b"Via: 1.0 fred"
    assert lines(await relay(HEAD + b"Via: 1.0 fred\r\n\r\n"))[-1] == b"Via: 1.1 broker"


async def test_via_can_be_off(relay: Relay) -> None:
    assert lines(await relay(HEAD + b"\r\n", listener={"via": False})) == OWN[:-1]


@pytest.mark.parametrize(("setting", "host"), [("caller", b"localhost:8443"), ("wms.corp:81", b"wms.corp:81")])
async def test_host_is_what_the_upstream_setting_says(relay: Relay, setting: Any, host: bytes) -> None:
    request = await relay(HEAD + b"\r\n", upstream={"host_header": setting})
    assert request.split(b"\r\n")[1] == b"Host: " + host
