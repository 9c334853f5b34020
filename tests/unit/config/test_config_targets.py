"""Several targets: settings that contradict each other are faults, those that do nothing are warnings."""

import asyncio

import pytest

from broker.compile_http import make_upstream
from broker.compile_policy import guard
from broker.compile_upstream import upstream_settings
from broker.config.load import examine_text
from broker.core.alarms import AlarmWheel
from broker.policy.registry import Registry
from broker.upstream.origin import Origin

TEXT = """\
version: 1
listeners:
  fno: {bind: 127.0.0.1:8443, tls: {certificates: [{chain: a, key: b}]}}
upstreams:
  u: {%s}
routes:
  - {name: r, callers: public, upstream: u}
"""
TWO = "targets: [http://a, http://b], "


def faults(settings: str) -> list[str]:
    """`path: message` of each fault."""
    return [str(fault).split(": ", 1)[1] for fault in examine_text(TEXT % settings)[1]]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (TWO + "weights: [1]", "upstreams.u.weights: one for each target: 1 for 2 targets"),
        (TWO + "weights: [1, 2, 3]", "upstreams.u.weights: one for each target: 3 for 2 targets"),
        (TWO + "weights: [1, 0]", "upstreams.u.weights[1]: "),
        (TWO + "balance: hash", "upstreams.u.balance: `hash` needs `hash_header`"),
        (TWO + "hash_header: X-Company", "upstreams.u.hash_header: only `balance: hash`"),
        (TWO + "balance: hash, hash_header: 'X Company'", "upstreams.u.hash_header: expected the name of a header"),
        (TWO + "balance: random", "upstreams.u.balance: "),
        ("targets: [http://a], balance: round_robin", "upstreams.u.balance: warning: does nothing"),
        ("targets: [http://a, http://A:80]", "upstreams.u.targets[1]: warning: this target is listed already; to give"),
        (TWO + "fallback: [http://c, http://b]", "upstreams.u.fallback[1]: warning: this target is listed already"),
        (TWO + "fallback: [https://c]", "upstreams.u.targets: targets of one upstream are all http"),
        (TWO + "ejection: {time: 10s, most: 5s}", "upstreams.u.ejection.most: is shorter than `time`"),
        ("targets: [http://a], ejection: {}", "upstreams.u.ejection: warning: does nothing"),
        (TWO + "health: {path: /h, expect: [99]}", "upstreams.u.health.expect[0]: "),
        (TWO + "health: {path: /h, expect: [600]}", "upstreams.u.health.expect[0]: "),
        (TWO + "health: {path: /h, expect: []}", "upstreams.u.health.expect: "),
        (TWO + "health: {path: h}", "upstreams.u.health.path: expected a path that starts with /"),
        (TWO + "health: {path: '/h x'}", "upstreams.u.health.path: "),
        (TWO + "health: {body: fine}", "upstreams.u.health.body: needs `path`"),
        (TWO + "health: {expect: [200]}", "upstreams.u.health.expect: needs `path`"),
        (TWO + "health: {rise: 0}", "upstreams.u.health.rise: "),
        (TWO + "health: {interval: 0s}", "upstreams.u.health.interval: expected a duration longer than 0"),
    ],
)
def test_a_contradiction_is_named_where_it_stands(settings: str, expected: str) -> None:
    assert any(fault.startswith(expected) for fault in faults(settings)), faults(settings)


@pytest.mark.parametrize(
    "settings",
    [
        TWO + "weights: [3, 1], fallback: [http://c], balance: hash, hash_header: X-Company",
        TWO + "ejection: {failures: 0}, health: {path: '/h?deep=1', expect: [200, 204], body: fine}",
        "targets: [http://a], health: {}",
        "targets: [http://a], fallback: [http://b], balance: least_requests, slow_start: 0, pool: {max_age: 0}",
    ],
)
def test_what_makes_sense_has_no_fault(settings: str) -> None:
    assert [fault for fault in faults(settings) if fault.startswith("upstreams")] == []


@pytest.mark.parametrize(
    ("settings", "watched"),
    [
        ("targets: [http://a]", []),
        ("targets: [http://a], ejection: {}", []),
        (TWO, ["a:80", "b:80"]),
        ("targets: [http://a], fallback: [http://b]", ["a:80", "b:80"]),
        (TWO + "ejection: {failures: 0}", []),
        (TWO + "circuit_breaker: {}", []),
        (TWO + "circuit_breaker: {}, ejection: {}", ["a:80", "b:80"]),
        ("targets: [http://a], health: {}", ["a:80"]),
    ],
)
async def test_who_is_watched_unless_told_otherwise(settings: str, watched: list[str]) -> None:
    config, _ = examine_text(TEXT % settings)
    assert config is not None
    upstream = config.upstreams["u"]
    origins = [Origin(each.host, each.port, each.authority.encode(), None) for each in upstream.all_targets]
    wheel = AlarmWheel(asyncio.get_running_loop())
    made = make_upstream("u", origins, upstream_settings(upstream), wheel, None)
    guard(made, upstream, Registry())
    assert list(made.healthy()) == watched


CERTIFICATE = "credentials: {type: client_certificate, certificate: env:%s}"


@pytest.mark.parametrize(
    ("shown", "own", "warned"),
    [
        (["A", "A"], "", False),
        (["", ""], "", False),
        (["A"], "", False),
        (["A", "B"], "", True),
        (["A", ""], "", True),
        (["A", "B"], "tls: {client_certificate: {chain: c, key: k}}, ", False),
    ],
)
def test_checks_without_the_certificate_of_the_calls_are_warned_of(shown: list[str], own: str, warned: bool) -> None:
    text = (TEXT % f"targets: [https://a], {own}health: {{}}").partition("  - ")[0]
    for at, name in enumerate(shown):
        credentials = f", {CERTIFICATE % name}" if name else ""
        text += f"  - {{name: r{at}, match: {{path: /{at}/}}, callers: public, upstream: u{credentials}}}\n"
    found = [fault for fault in examine_text(text)[1] if "show no client certificate" in fault.message]
    assert [(fault.path, fault.line) for fault in found] == ([("upstreams.u.health", 5)] if warned else [])
