"""`limits`, `adaptive_concurrency`: what is taken, and what contradicts itself, with its place."""

import pytest

from broker.config.faults import Fault
from broker.config.limits import Limits, StoreUrl
from broker.config.load import examine_text, parse_config

TEXT = """version: 1
limits: {limits}
listeners: {{a: {{bind: "127.0.0.1:0", tls: {{certificates: [{{chain: a.crt, key: a.key}}]}}}}}}
upstreams:
  u:
    targets: [http://127.0.0.1]
    rate: 100/s
    {upstream}
routes: [{{name: r, callers: public, upstream: u}}]
"""


def limits_of(limits: str) -> Limits:
    return parse_config(TEXT.format(limits=limits, upstream="")).limits


def faults_of(limits: str = "{}", upstream: str = "") -> list[Fault]:
    return examine_text(TEXT.format(limits=limits, upstream=upstream))[1]


def test_limits_have_the_documented_defaults() -> None:
    found = limits_of("{}")
    assert (found.connections, found.connections_per_address, found.store, found.rate_per_address) == (
        20000,
        1000,
        None,
        None,
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("redis://10.0.0.5", StoreUrl("10.0.0.5", 6379)),
        ("redis://10.0.0.5:6380/2", StoreUrl("10.0.0.5", 6380, 2)),
        ("valkeys://broker@cache.corp", StoreUrl("cache.corp", 6379, 0, "broker", tls=True)),
        ("rediss://[::1]:1/", StoreUrl("::1", 1, tls=True)),
    ],
)
def test_a_store_is_named_by_its_url(text: str, expected: StoreUrl) -> None:
    found = limits_of(f'{{store: "{text}"}}').store
    assert found == expected
    assert found is not None
    assert StoreUrl.parse(str(found)) == found


@pytest.mark.parametrize("text", ["http://a", "redis://", "redis://a:0", "redis://a/x", "redis://a?db=1", "a:6379"])
def test_anything_else_is_a_fault(text: str) -> None:
    assert any("limits.store" in str(fault) for fault in faults_of(f'{{store: "{text}"}}'))


def test_a_password_in_the_url_is_a_fault_that_does_not_repeat_it() -> None:
    faults = [str(fault) for fault in faults_of('{store: "redis://:hunter2@a"}')]
    assert any("store_password" in fault for fault in faults)
    assert "hunter2" not in "".join(faults)


@pytest.mark.parametrize(
    ("limits", "upstream", "expected"),
    [
        ("{store_password: env:P}", "", "limits.store_password: there is no `store`"),
        ("{store: redis://a, store_ca: ca.crt}", "", "is of use with rediss:// only"),
        ("{store: redis://a, store_timeout: 2001ms}", "", "limits.store_timeout: is above 2s"),
        (
            "{connections: 500, connections_per_address: 501}",
            "",
            "routes.yaml:2: limits.connections_per_address: warning: is never reached: `connections` of all are 500",
        ),
        ("{}", "queue: {size: 5}", "upstreams.u.queue: calls wait only where"),
        ("{}", "{adaptive_concurrency: {}, max_concurrency: 5}"[1:-1], "say one of them"),
        ("{}", "adaptive_concurrency: {least: 9, most: 3}", "is above `most`, which is 3"),
    ],
)
def test_contradictions_are_faults_with_their_line(limits: str, upstream: str, expected: str) -> None:
    upstream = upstream.replace(", max", "\n    max")
    found = [str(fault) for fault in faults_of(limits, upstream) if expected in str(fault)]
    assert found, faults_of(limits, upstream)
    assert found[0].split(":")[1].isdigit()


@pytest.mark.parametrize(
    "limits",
    ["{connections: 500}", "{connections: 500, connections_per_address: 500}", "{connections_per_address: 30000}"],
)
def test_connections_of_one_address_within_those_of_all_are_no_fault(limits: str) -> None:
    assert faults_of(limits) == []


def test_the_longest_time_for_the_store_is_no_fault() -> None:
    assert not any("store_timeout" in str(fault) for fault in faults_of("{store: redis://a, store_timeout: 2s}"))


def test_calls_may_wait_for_an_adaptive_limit() -> None:
    assert not any("queue" in str(fault) for fault in faults_of("{}", "adaptive_concurrency: {}\n    queue: {}"))


def test_a_store_without_a_rate_is_worth_a_warning() -> None:
    text = TEXT.format(limits="{store: redis://a}", upstream="").replace("    rate: 100/s\n", "")
    assert any(
        fault.severity == "warning" and "no caller, route or upstream" in str(fault) for fault in examine_text(text)[1]
    )


@pytest.mark.parametrize(
    ("url", "warned"),
    [("redis://10.0.0.5", True), ("redis://cache.corp", True), ("rediss://10.0.0.5", False), ("redis://[::1]", False)],
)
def test_a_password_in_clear_over_the_network_is_worth_a_warning(url: str, warned: bool) -> None:
    found = faults_of(f'{{store: "{url}", store_password: env:P}}')
    assert any("in clear" in str(fault) for fault in found) is warned


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ("{answer: 2MiB, memory: 1MiB}", "idempotency_keys.answer: one answer may be larger than all of them"),
        ("{memory: 512KiB}", "idempotency_keys.memory: one answer may be larger than all of them"),
        ("{answer: 65MiB}", "idempotency_keys.answer: one answer may be larger than all of them"),
        ("{answer: 4095B}", "idempotency_keys.answer: is too little for any answer"),
        ("{answer: 600B, memory: 600B}", "idempotency_keys.memory: is too little for any answer"),
    ],
)
@pytest.mark.parametrize("elsewhere", ["", "nonsense: 1\n"], ids=["", "with another fault"])
def test_memory_that_no_answer_fits_in_is_a_fault_with_its_line(keys: str, expected: str, elsewhere: str) -> None:
    text = TEXT.format(limits="{}", upstream="") + f"idempotency_keys: {keys}\n{elsewhere}"
    [fault] = [str(fault) for fault in examine_text(text)[1] if expected in str(fault)]
    assert fault.startswith("routes.yaml:10: ")


def test_memory_for_one_answer_is_enough() -> None:
    text = TEXT.format(limits="{}", upstream="") + "idempotency_keys: {answer: 4KiB, memory: 4KiB}\n"
    assert not [fault for fault in examine_text(text)[1] if "idempotency_keys" in str(fault)]
