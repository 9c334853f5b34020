"""A body that may be larger than all that are held back is warned of where its limit stands."""

import pytest

from broker.config.load import examine_text

TEXT = """version: 1
limits: {LIMITS}
listeners: {a: {bind: "127.0.0.1:0", tls: {certificates: [{chain: a.crt, key: a.key}]}}}
upstreams:
  u:
    targets: [http://127.0.0.1]
    http: {HTTP}
callers:
  c: {type: hmac, header: X-S, secret: env:KEY, HMAC}
routes: [{name: r, callers: [c], upstream: u}]
"""


def faults(limits: str, http: str = "", hmac: str = "once: true") -> list[str]:
    text = TEXT.replace("LIMITS", limits).replace("HTTP", http).replace("HMAC", hmac)
    return [str(fault).removeprefix("routes.yaml:") for fault in examine_text(text)[1]]


@pytest.mark.parametrize(
    ("limits", "http", "hmac", "expected"),
    [
        (
            "",
            'version: "1.0", spool: 5GiB',
            "once: true",
            "7: upstreams.u.http.spool: warning: is above `limits.held_bodies`, 4GiB: a larger body than that",
        ),
        (
            "held_bodies: 100MiB",
            "request_body: content_length",
            "once: true",
            "2: limits.held_bodies: warning: one body may be larger than that: upstreams.u.http.spool is 1GiB",
        ),
        (
            "held_bodies: 1000000",
            "",
            "max_body: 1MiB",
            "9: callers.c.max_body: warning: is above `limits.held_bodies`, 1000000B: a larger body than that",
        ),
        (
            "held_bodies: 1MiB",
            "",
            "once: true",
            "2: limits.held_bodies: warning: one body may be larger than that: callers.c.max_body is 10MiB by default",
        ),
    ],
)
def test_a_body_that_never_fits_is_warned_of(limits: str, http: str, hmac: str, expected: str) -> None:
    [found] = faults(limits, http, hmac)
    assert found.startswith(expected)


@pytest.mark.parametrize(
    ("limits", "http", "hmac"),
    [
        ("", "", "max_body: 4GiB"),
        ("held_bodies: 5GiB", 'version: "1.0", spool: 5GiB', "max_body: 5GiB"),
        ("held_bodies: 100MiB", "", "once: true"),
        ("held_bodies: 100MiB", "keep_alive: false", "once: true"),
    ],
)
def test_a_body_that_fits_is_not(limits: str, http: str, hmac: str) -> None:
    assert faults(limits, http, hmac) == []
