"""What has to hold between the parts of a file."""

import datetime as dt
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.config.checks import upstreams as upstream_checks
from broker.config.checks.routes import overlap
from broker.config.load import examine_text
from broker.config.model import Match

HEAD = """\
version: 1
listeners:
  fno: {bind: 127.0.0.1:8443, tls: {certificates: [{chain: a, key: b}]}}
upstreams:
  u: {targets: [http://h]}
routes:
"""


def faults(text: str) -> list[str]:
    """`path: message` of each fault."""
    return [str(fault).split(": ", 1)[1] for fault in examine_text(text)[1]]


def clash(*matches: str) -> list[str]:
    lines = [f"  - {{name: r{i}, callers: public, upstream: u, match: {m}}}\n" for i, m in enumerate(matches)]
    return faults(HEAD + "".join(lines))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("{}", "{}"),
        ("{path: /a}", "{path: /a}"),
        ("{host: A.b}", "{host: a.b}"),
        ("{methods: [GET, POST]}", "{methods: [post]}"),
        ("{soap_action: x}", "{soap_action: '\"x\"'}"),
        ("{headers: {a: b}}", "{headers: {A: b}}"),
        ("{headers: {a: b}}", "{headers: {c: d}}"),
        ("{soap_action: x}", "{headers: {c: d}}"),
        ("{methods: [GET]}", "{headers: {c: d}}"),
    ],
)
def test_routes_that_nothing_decides_between(one: str, other: str) -> None:
    assert clash(one, other) == ["routes[1].match: route r0 takes the same requests; add a condition to one of them"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("{path: /a}", "{path: /a/}"),
        ("{host: a.b}", "{host: '*.b'}"),
        ("{host: a.b}", "{}"),
        ("{methods: [GET]}", "{methods: [POST]}"),
        ("{methods: [GET]}", "{}"),
        ("{soap_action: x}", "{soap_action: X}"),
        ("{headers: {a: b}}", "{headers: {a: c}}"),
        ("{headers: {a: b, c: d}}", "{headers: {a: b}}"),
    ],
)
def test_routes_that_differ(one: str, other: str) -> None:
    assert clash(one, other) == []


def test_many_routes_of_one_path_are_compared_fast() -> None:
    begin = time.monotonic()
    assert clash(*(f"{{soap_action: a{i}}}" for i in range(3000))) == []
    assert len(clash(*["{}"] * 1000)) == 999
    assert time.monotonic() - begin < 8


METHODS = st.lists(st.sampled_from(["GET", "POST", "PUT"]), max_size=2)
MATCHES = st.builds(
    Match,
    methods=METHODS,
    soap_action=st.sampled_from([None, "x", "y"]),
    headers=st.dictionaries(st.sampled_from("ab"), st.sampled_from("cd")),
)


@given(MATCHES, MATCHES)
def test_overlap_means_that_a_request_exists(one: Match, other: Match) -> None:
    requests = [
        (method, action, {"a": a, "b": b})
        for method in ("GET", "POST", "PUT") for action in ("x", "y") for a in "cd" for b in "cd"
    ]  # fmt: skip

    def takes(match: Match, request: tuple[str, str, dict[str, str]]) -> bool:
        method, action, headers = request
        return (
            (not match.methods or method in match.methods)
            and match.soap_action in (None, action)
            and match.headers.items() <= headers.items()
        )

    both = any(takes(one, request) and takes(other, request) for request in requests)
    assert overlap(one, other) == overlap(other, one) == both


def test_a_prefix_is_replaced_by_a_prefix() -> None:
    route = "  - {name: r, callers: public, upstream: u, match: {path: /a/}, path: /b}\n"
    assert faults(HEAD + route) == ["routes[0].path: must end in /, as match.path does"]
    assert faults(HEAD + route.replace("/b", "/b/")) == []
    assert faults(HEAD + route.replace("/a/", "/a")) == []


@pytest.mark.parametrize(
    ("one", "other", "clashing"),
    [
        ("127.0.0.1:1", "127.0.0.1:1", True),
        ("0.0.0.0:1", "127.0.0.1:1", True),
        ("'[::]:1'", "'[::1]:1'", True),
        ("'[::]:1'", "127.0.0.1:1", False),
        ("127.0.0.1:0", "127.0.0.1:0", False),
        ("127.0.0.1:1", "127.0.0.2:1", False),
        ("127.0.0.1:9090", "127.0.0.3:1", False),
    ],
)
def test_a_port_is_taken_once(one: str, other: str, clashing: bool) -> None:
    tls = "tls: {certificates: [{chain: a, key: b}]}"
    listeners = f"  a: {{bind: {one}, {tls}}}\n  b: {{bind: {other}, {tls}}}\n"
    text = f"version: 1\nadmin: {{bind: 127.0.0.9:9}}\nlisteners:\n{listeners}"
    found = [fault for fault in faults(text) if "taken" in fault]
    assert bool(found) == clashing


def test_the_port_of_the_admin_api_is_taken() -> None:
    text = HEAD.replace("127.0.0.1:8443", "0.0.0.0:9090") + "  - {name: r, callers: public, upstream: u}\n"
    assert faults(text) == ["admin.bind: 0.0.0.0:9090 is taken by another listener"]


def upstream(settings: str) -> list[str]:
    return faults(HEAD.replace("{targets: [http://h]}", settings) + "  - {name: r, callers: public, upstream: u}\n")


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ("{targets: [https://h, http://h]}", "upstreams.u.targets: targets of one upstream are all http"),
        ("{targets: [http://h], tls: {}}", "upstreams.u.tls: the targets are http://"),
        (
            "{targets: [https://h], tls: {profile: obsolete}}",
            "upstreams.u.tls: warning: weak TLS without a `review_by`",
        ),
        (
            "{targets: [https://h], tls: {profile: legacy}}",
            "upstreams.u.tls: warning: weak TLS without a `review_by`",
        ),
        (
            "{targets: [https://h], tls: {unsafe_skip_verify: true}}",
            "upstreams.u.tls: warning: weak TLS without",
        ),
        (
            "{targets: [https://h], tls: {unsafe_skip_verify: true, ca: x}}",
            "unsafe_skip_verify: contradicts ca",
        ),
        (
            f"{{targets: [https://h], tls: {{unsafe_skip_verify: true, pin_sha256: ['{'ab' * 32}']}}}}",
            "contradicts",
        ),
    ],
)
def test_upstream_tls(settings: str, expected: str) -> None:
    assert expected in "\n".join(upstream(settings))


def test_reviews_become_due_the_day_after(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = "{targets: [https://h], tls: {profile: legacy, review_by: 2027-06-30}}"
    monkeypatch.setattr(upstream_checks, "today", lambda: dt.date(2027, 6, 30))
    assert upstream(settings) == []
    monkeypatch.setattr(upstream_checks, "today", lambda: dt.date(2027, 7, 1))
    assert "upstreams.u.tls.review_by: warning: the day to review" in upstream(settings)[0]


def test_what_no_route_uses_is_a_warning() -> None:
    text = HEAD.replace("routes:", "callers: {c: {type: api_key, key: env:K}}\nroutes:")
    text = (
        text.replace("  u: {", "  spare: {targets: [http://h]}\n  u: {")
        + "  - {name: r, callers: public, upstream: u}\n"
    )
    assert faults(text) == [
        "upstreams.spare: warning: no route uses it",
        "callers.c: warning: no route uses it",
    ]


def test_a_listener_is_named_when_there_are_several() -> None:
    second = (
        "upstreams:",
        "  other: {bind: 127.0.0.1:1, tls: {certificates: [{chain: a, key: b}]}}\nupstreams:",
    )
    text = HEAD.replace(*second) + "  - {name: r, callers: public, upstream: u%s}\n"
    assert "routes[0].listener: required, as there are several listeners: fno, other" in faults(text % "")
    assert faults(text % ", listener: fno") == ["listeners.other: warning: no route uses it"]
    assert "routes[0].listener: no such entry in `listeners`; did you mean fno?" in faults(text % ", listener: fn")
